// The data sources: the pill, and what a token is where rows are shown.

import { QuestLive } from "../shared/live.js";

if (document.querySelector("[data-tokens]"))
  import("./mirror.js"); // which starts the live part itself
else new QuestLive(document, { onEvent: () => {}, onState: () => {} }).start();
