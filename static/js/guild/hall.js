// The Guild Hall, the page of a skill and that of a run: panels that follow what happens, and orders to runs.

import { Ages } from "../shared/ages.js";
import { QuestLive } from "../shared/live.js";
import { Orders } from "../shared/orders.js";
import { Panels } from "../shared/panels.js";

const BUSY_MS = 1500;
const CALM_MS = 5000;
const SLOW_MS = 20000;
const LEARNED = new Set(["evaluated", "skill_level_up", "skill_level_lost", "skill_level_regained", "branch_changed"]);

const panels = new Panels(document);
const there = (name) => document.querySelector(`[data-panel]#${name}`);
const touch = (...names) => panels.touch(...names.filter(there));

const live = new QuestLive(document, {
  onEvent: (event) => LEARNED.has(event.kind) && touch("skills", "evaluations", "grid"),
  onState: () => {},
});
const orders =
  document.querySelector("#orders") && new Orders(document, { live, onGiven: () => touch("runs", "master") });
new Ages(document);
live.start();

// Runs are other processes' work, of which the chronicle tells nothing: while one is under way it is asked for often.
let [calmAt, slowAt] = [0, 0];
setInterval(() => {
  if (document.hidden) return;
  if (document.querySelector("[data-busy]")) touch("runs", "run");
  if (performance.now() - calmAt < CALM_MS) return;
  calmAt = performance.now();
  touch("master", "runs", "run", "evaluations");
  if (!document.querySelector("#tasks details[open]")) touch("tasks"); // nobody's typing is taken away
  if (performance.now() - slowAt < SLOW_MS) return;
  slowAt = performance.now();
  touch("skills", "plan");
}, BUSY_MS);

// On the page of a run an order loads the page again; what cannot be taken back is asked about first.
const plain = document.querySelector("#plain-orders");
plain?.addEventListener("submit", async (event) => {
  const { submitter } = event;
  if (!submitter?.dataset.confirm || plain.dataset.sure === submitter.value) return;
  event.preventDefault();
  const confirmed = orders ?? Orders.prototype;
  if (!(await confirmed.confirmed.call({ root: document }, submitter))) return;
  plain.dataset.sure = submitter.value;
  plain.requestSubmit(submitter);
});
