// One quest's page: drawn anew when something is told of quests.

import { QuestLive } from "../shared/live.js";
import { Orders } from "../shared/orders.js";
import { Panels } from "../shared/panels.js";

const QUIET = new Set(["answered", "checkpoint_saved", "validated", "evaluated", "quests_seen"]);

const panels = new Panels(document);
const live = new QuestLive(document, {
  onEvent: (event) => QUIET.has(event.kind) || refresh(),
  onState: refresh,
});
new Orders(document, { live, onGiven: refresh });

// Not while rows are being mended: that text is the player's.
function refresh() {
  const mending = document.querySelector("#mending");
  if (!mending || mending.value === mending.defaultValue) panels.touch("quest");
}

live.start();
