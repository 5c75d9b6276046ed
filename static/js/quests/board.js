// The quest board: lists that follow what happens, orders, choosing, moving, and the ways in for new quests.

import { Ages } from "../shared/ages.js";
import { Choice } from "./choice.js";
import { QuestLive } from "../shared/live.js";
import { Orders, openDialogs } from "../shared/orders.js";
import { Mover } from "./mover.js";
import { Panels } from "../shared/panels.js";
import { Uploads } from "./uploads.js";

const GATE_MS = 1500;

const live = new QuestLive(document, { onEvent: takeEvent, onState: () => panels.touch("summary", ...LISTS) });
const LISTS = ["high", "normal", "low", "battling", "arriving", "held", "done", "failed", "cancelled"].map(
  (name) => `list-${name}`,
);
const LANES = LISTS.slice(0, 3);

// Lists that the server draws anew, by what happened; whatever is not named here touches all of them.
const TOUCHES = {
  quests_seen: ["list-arriving"],
  quest_arrived: ["list-arriving", "list-held", ...LANES],
  quest_moved: ["list-held", ...LANES],
  quest_held: ["list-held", ...LANES],
  quest_released: ["list-held", ...LANES],
  quest_discarded: ["list-done", "list-failed", "list-cancelled"],
  battle_started: ["list-battling", ...LANES],
  battle_resumed: ["list-battling"],
};
const JUDGED = new Set(["quest_arrived", "quest_refused"]);
const QUIET = new Set([
  "answered",
  "checkpoint_saved",
  "validated",
  "evaluated",
  "skill_level_up",
  "hero_level_up",
  "new_champion",
  "convergence_warning",
]);

const panels = new Panels(document);
const choice = new Choice(document);
const orders = new Orders(document, { live, onGiven: () => panels.touch("summary", ...LISTS) });
const mover = new Mover(document, { orders, panels, live });
const uploads = new Uploads(document, { live, onTaken: () => panels.touch("summary", "list-arriving") });
new Ages(document);
openDialogs(document);

function takeEvent(event) {
  if (QUIET.has(event.kind)) return;
  if (event.kind === "quest_moved" || event.kind === "order_refused") mover.settled();
  if (JUDGED.has(event.kind) && event.data?.quest) uploads.judged(event.data.quest);
  panels.touch("summary", ...(TOUCHES[event.kind] ?? LISTS));
}

uploads.listen();
mover.listen();
choice.listen();
for (const button of document.querySelectorAll(".ways [hidden]")) button.hidden = false;
live.start();

// What stands at the gate moves on without being told of each row.
setInterval(() => document.hidden || panels.touch("list-arriving"), GATE_MS);
