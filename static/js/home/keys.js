// Single keys of the Tavern: P rests or resumes, L goes to the log.

import { isSingleKey } from "../shared/single_keys.js";

export function listenToKeys(root) {
  document.addEventListener("keydown", (event) => {
    if (!isSingleKey(event) || event.repeat) return;
    if (event.key === "p") root.querySelector("#order-resume, #order-pause")?.click();
    if (event.key === "l") root.querySelector("#log .scroll").focus();
  });
}
