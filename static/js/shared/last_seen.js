// While the realm does not answer the page says of when it is; reloaded meanwhile, it is what was last seen.
//
// Browsers know service workers on this machine and by https: only. Where pages want a login nothing is kept.

import { ask } from "./logged_out.js";

const PATIENCE_MS = 3000;
const LOOK_MS = 5000;

const said = document.querySelector("#last-seen");
const { seenAt } = document.documentElement.dataset;
const { serviceWorker } = navigator;
const { caches: kept } = globalThis;
const clock = (moment) => moment.toLocaleString([], { dateStyle: "medium", timeStyle: "medium" });

let heard = new Date();
let timer = null;

function say(moment) {
  said.textContent = `The realm is away. What you see was last seen on ${clock(moment)}.`;
  said.hidden = false;
}

async function keep() {
  if (!serviceWorker) return;
  if (document.querySelector("meta[name=last-seen]")) await serviceWorker.register("/last-seen.js");
  else {
    for (const worker of await serviceWorker.getRegistrations()) await worker.unregister();
    await kept.delete("last-seen");
  }
}

async function lookForRealm() {
  const answer = await ask("/livez", { cache: "no-store" }).catch(() => null);
  if (answer?.ok) location.reload();
}

document.addEventListener("realm:heard", () => {
  heard = new Date();
  clearTimeout(timer);
  timer = null;
  said.hidden = true;
});
document.addEventListener("realm:lost", () => {
  timer ??= setTimeout(() => say(heard), PATIENCE_MS);
});

if (seenAt) {
  say(new Date(seenAt));
  setInterval(lookForRealm, LOOK_MS);
} else keep().catch(() => {}); // a browser that keeps nothing shows the page as well
