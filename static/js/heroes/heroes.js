// The heroes: cards and matches follow what happens; a suggested name is taken by a click.

import { Ages } from "../shared/ages.js";
import { QuestLive } from "../shared/live.js";
import { Panels } from "../shared/panels.js";

const BUSY_MS = 2000;
const CHANGES = new Set([
  "hero_changed",
  "checkpoint_saved",
  "hero_level_up",
  "new_champion",
  "skill_level_up",
  "quest_completed",
  "battle_started",
  "battle_resumed",
  "battle_paused",
]);

const panels = new Panels(document);
const live = new QuestLive(document, {
  onEvent: (event) => {
    if (event.kind === "hero_changed") location.reload();
    else if (CHANGES.has(event.kind)) panels.touch("roster");
  },
  onState: () => panels.touch("roster"),
});
new Ages(document);
live.start();

// A match is another process's work, of which the chronicle tells nothing.
setInterval(() => {
  if (!document.hidden && document.querySelector("[data-busy]")) panels.touch("matches");
}, BUSY_MS);

document.body.addEventListener("click", ({ target }) => {
  const idea = target.closest("[data-idea]");
  if (!idea) return;
  const field = idea.closest(".asked-for").querySelector("input");
  field.value = idea.textContent.trim();
  field.focus();
  htmx.trigger(field, "input");
});
