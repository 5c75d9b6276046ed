// What the server is told of who looks: with the token of the form that stands on each page.

import { ask } from "./logged_out.js";

export function send(url, values = {}) {
  const data = new FormData();
  const token = document.querySelector("#away [name=csrfmiddlewaretoken]");
  data.set("csrfmiddlewaretoken", token?.value ?? "");
  for (const [name, value] of Object.entries(values)) data.set(name, value);
  return ask(url, { method: "POST", body: data, headers: { "HX-Request": "true" }, keepalive: true });
}
