// Parts of this page as the server draws them now, in one request.

import { ask } from "./logged_out.js";

// `address` is the page's own unless it shows something else by now. Without an answer there are none.
export async function drawnAnew(names, address = location.href) {
  const answer = await ask(address).catch(() => null);
  if (!answer?.ok) return [];
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  return names.map((name) => page.getElementById(name)).filter(Boolean);
}
