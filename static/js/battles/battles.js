// The history of battles: states follow the arena at most once a second, steps of the one that is fought by the tick.

import { brief } from "../shared/format.js";
import { QuestLive } from "../shared/live.js";
import { Panels } from "../shared/panels.js";

const CHANGES = new Set([
  "battle_started",
  "battle_resumed",
  "battle_paused",
  "battle_stopped",
  "battle_completed",
  "battle_failed",
  "battles_deleted",
  "battles_restored",
  "skill_level_up",
  "skill_level_lost",
  "new_champion",
]);

const panels = new Panels(document);
const redraw = () => document.getElementById("battles") && panels.touch("battles");
const live = new QuestLive(document, {
  onEvent: (event) => CHANGES.has(event.kind) && redraw(),
  onState: redraw,
});

const chosen = () => {
  const count = document.querySelectorAll("input[name=battle]:checked").length;
  const node = document.querySelector("[data-chosen]");
  if (node) node.textContent = count ? `(${count})` : "";
};
document.addEventListener("change", chosen);
document.addEventListener("realm:ticks", chosen);

const DATES = { dateStyle: "medium", timeStyle: "short" };
const localTimes = () => {
  for (const node of document.querySelectorAll("time[data-local]"))
    node.textContent = new Date(node.dateTime).toLocaleString([], DATES);
};
document.body.addEventListener("htmx:afterSettle", localTimes);

const follow = () => {
  const { battle } = live.store;
  if (document.hidden || !battle) return;
  const node = document.querySelector(`[data-battle="${CSS.escape(battle.id)}"] [data-steps]`);
  if (!node || !Number.isFinite(battle.quest_step)) return;
  const text = brief(battle.quest_step);
  if (node.textContent !== text) node.textContent = text;
};

live.start();
chosen();
localTimes();
setInterval(follow, 1000);
