// The vault's pages: panels that follow what happens, orders that leave the page where it is, and questions that say
// what an order would do before it is given.

import { Ages } from "../shared/ages.js";
import { QuestLive } from "../shared/live.js";
import { Orders, post } from "../shared/orders.js";
import { Panels } from "../shared/panels.js";
import { Choice } from "./choice.js";
import { offerCopies } from "../shared/copies.js";
import { Question } from "./question.js";

const BUSY_MS = 1000;
const CALM_MS = 10000;
const SAVED = new Set(["checkpoint_saved", "evaluated", "new_champion", "branch_changed"]);
const CHANGED = ["shelf", "known", "champions", "jobs", "disk", "plan", "trash", "snapshots", "places"];

const panels = new Panels(document);
const there = (name) => document.querySelector(`[data-panel]#${name}`);
const touch = (...names) => panels.touch(...names.filter(there));

const live = new QuestLive(document, {
  onEvent: (event) => SAVED.has(event.kind) && touch("shelf", "champions"),
  onState: () => {},
});
const orders = new Orders(document, { live, onGiven: () => touch(...CHANGED) });
const choice = new Choice(document);
const question = new Question(document, {
  chosen: () => choice.chosen(),
  give: (form, submitter) => orders.sending.then(() => given(form, submitter)),
});
new Ages(document);
choice.listen();
question.listen();
offerCopies(document);
live.start();

async function given(form, submitter) {
  const answer = await post(form.action, new FormData(form, submitter)).catch(() => null);
  if (!answer) return live.toasts.show("order_lost", "The order did not reach the server: nothing was changed");
  orders.tell(answer);
  choice.clear();
  touch(...CHANGED);
}

// Jobs are another process's work, of which the chronicle of battles tells nothing.
let calmAt = 0;
let wasBusy = false;
setInterval(() => {
  if (document.hidden) return;
  const busy = Boolean(document.querySelector("[data-busy]"));
  if (busy) touch("jobs");
  if (wasBusy && !busy) touch(...CHANGED.filter((name) => name !== "jobs"));
  wasBusy = busy;
  if (performance.now() - calmAt < CALM_MS) return;
  calmAt = performance.now();
  touch("jobs", "places");
}, BUSY_MS);
