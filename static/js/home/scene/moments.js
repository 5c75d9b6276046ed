// Which moment an entry of the chronicle is, how much it weighs, how long it is shown and what is said of it.

import { loss, whole } from "../../shared/format.js";
import * as gestures from "./gestures.js";

const ENOUGH_ACCURACY = 0.8;

// Without `ms` a moment holds until it is resolved. `tells` is what listeners on the document hear.
const MOMENTS = {
  curse: { priority: 6, gesture: gestures.curse, tells: "curse" },
  nan: { priority: 6, gesture: gestures.curse, tells: "nan", look: "curse" },
  crash: { priority: 6, gesture: gestures.knocked, tells: "curse" },
  oom: { priority: 6, gesture: gestures.crushed, tells: "curse" },
  complete: { priority: 5, ms: 2600, gesture: gestures.complete, tells: "complete" },
  stop: { priority: 5, ms: 900, gesture: gestures.retreat },
  champion: { priority: 4, ms: 1600, gesture: gestures.champion, tells: "champion" },
  level: { priority: 4, ms: 1400, gesture: gestures.level, tells: "level" },
  boss: { priority: 3, gesture: gestures.wake },
  block: { priority: 3.5, ms: 1300, gesture: gestures.block, tells: "block" },
  pushed: { priority: 3.5, ms: 1300, gesture: gestures.pushed },
  chest: { priority: 2, ms: 1200, gesture: gestures.chest, tells: "checkpoint" },
};

export const HOLDING = new Set(["curse", "nan", "crash", "oom"]);

export function moment(kind, title, text = "", step = null) {
  return { look: kind, ...MOMENTS[kind], kind, title, text, step };
}

function validated({ step, message, data }) {
  const { val_loss: val = null, previous = null } = data;
  if (val === null) return moment("block", "BLOCK", message, step);
  if (previous === null) return moment("block", "BLOCK", `val ${loss(val)}`, step);
  const change = `${val > previous ? "+" : "-"}${loss(Math.abs(val - previous))}`;
  const better = val <= previous;
  return moment(better ? "block" : "pushed", better ? "BLOCK" : "Pushed back", `val ${loss(val)} ${change}`, step);
}

function fault({ step, message, data }) {
  if (data.fault === "out_of_memory") return moment("oom", "Out of memory", data.reason ?? message, step);
  return moment("curse", "Cursed", message, step);
}

const OF = {
  checkpoint_saved: ({ step }) => moment("chest", `Checkpoint ${whole(step)} saved`, "", step),
  validated,
  evaluated: ({ step, message, data }) =>
    data.accuracy >= ENOUGH_ACCURACY
      ? moment("block", "BLOCK", message, step)
      : moment("pushed", "Pushed back", message, step),
  skill_level_lost: ({ step, message }) => moment("pushed", "The shield cracks", message, step),
  hero_level_up: ({ step, message }) => moment("level", message, "", step),
  skill_level_up: ({ step, message }) => moment("level", "Level won", message, step),
  new_champion: ({ step, message }) => moment("champion", "New champion", message.replace(/^New champion! /, ""), step),
  quest_completed: ({ step, message }) =>
    moment("complete", "Quest complete", message.replace(/^Quest complete! /, ""), step),
  battle_stopped: ({ step }) => moment("stop", `Retreated at step ${whole(step)}`, "", step),
  battle_failed: ({ step, message }) => moment("crash", "Struck down", message, step),
  trainer_died: ({ step, message }) => moment("crash", "Struck down", message, step),
  trainer_hung: ({ step, message }) => moment("crash", "Struck down", message, step),
  fault,
};

// Null where an entry is none that is shown.
export function momentOf(event) {
  return OF[event.kind]?.({ ...event, data: event.data ?? {} }) ?? null;
}
