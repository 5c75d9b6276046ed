// The armory: what was typed can be saved, rows are found while one types, looks are shown before they are kept.

import { QuestLive } from "../shared/live.js";
import { find } from "./search.js";
import { tryOn } from "./looks.js";

new QuestLive(document, { onEvent: () => {}, onState: () => {} }).start();

document.addEventListener("input", (event) => {
  event.target.closest(".setting")?.setAttribute("data-typed", "");
});
find(document);
tryOn(document);
