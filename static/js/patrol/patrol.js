// The patrol: its panels are drawn anew while somebody looks; commands can be copied.

import { Ages } from "../shared/ages.js";
import { offerCopies } from "../shared/copies.js";
import { QuestLive } from "../shared/live.js";
import { Orders } from "../shared/orders.js";
import { Panels } from "../shared/panels.js";

const EVERY_MS = 3000;

const panels = new Panels(document);
const live = new QuestLive(document, {
  onEvent: () => panels.touch("findings", "guardian"),
  onState: () => {},
});
new Orders(document, { live, onGiven: () => panels.touch("findings") });
new Ages(document);
offerCopies(document);
live.start();
setInterval(() => {
  if (!document.hidden) panels.touch("findings", "guardian");
}, EVERY_MS);
