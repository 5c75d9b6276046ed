// The vault's pages: panels that follow what happens, orders that leave the page where it is, and dialogs that say
// what an order would do before it is given.

import { Ages } from "../shared/ages.js";
import { QuestLive } from "../shared/live.js";
import { Orders } from "../shared/orders.js";
import { Panels } from "../shared/panels.js";

const SAVED = new Set(["checkpoint_saved", "evaluated", "new_champion", "branch_changed"]);

const panels = new Panels(document);
const there = (name) => document.querySelector(`[data-panel]#${name}`);
const touch = (...names) => panels.touch(...names.filter(there));

const live = new QuestLive(document, {
  onEvent: (event) => SAVED.has(event.kind) && touch("shelf"),
  onState: () => {},
});
new Ages(document);
live.start();
