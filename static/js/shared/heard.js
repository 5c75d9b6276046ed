// A page without live parts of its own: the pill, toasts and ages.

import { Ages } from "./ages.js";
import { QuestLive } from "./live.js";

new Ages(document);
new QuestLive(document, { onEvent: () => {}, onState: () => {} }).start();
