// The watchtower: panels that follow the machine while somebody looks, a log that goes on by itself, times in the
// reader's own zone.

import { Ages } from "../shared/ages.js";
import { QuestLive } from "../shared/live.js";
import { Orders } from "../shared/orders.js";
import { Panels } from "../shared/panels.js";
import { Fresh } from "./fresh.js";
import { LocalTimes } from "./local_times.js";
import { Log } from "./log.js";

const EVERY_MS = { machines: 2000, verdict: 5000, services: 3000, timeline: 10000, past: 60000 };
const AWAY_MS = 61000; // panels and log ask each for themselves
const MEASURED = new Set(["checkpoint_saved", "evaluated", "new_champion"]);

const panels = new Panels(document, { awayMs: AWAY_MS });
const fresh = new Fresh(document);
const times = new LocalTimes(document);
const live = new QuestLive(document, {
  onEvent: (event) => MEASURED.has(event.kind) && panels.touch("board"),
  onState: () => panels.touch("timeline", "verdict"),
});
new Orders(document, { live, onGiven: () => panels.touch("services", "verdict") });
new Ages(document);
const log = new Log(document, { onLines: (node) => times.write(node), awayMs: AWAY_MS });
times.write(document);
document.body.addEventListener("htmx:afterSwap", (event) => times.write(document.getElementById(event.detail.target.id)));
document.body.addEventListener("realm:drawn", ({ detail }) => times.write(document.getElementById(detail.panel)));
live.start();
log.start();

const drawnAt = {};
setInterval(() => {
  fresh.mark();
  if (document.hidden) return;
  for (const [name, every] of Object.entries(EVERY_MS)) {
    if (performance.now() - (drawnAt[name] ?? 0) < every) continue;
    drawnAt[name] = performance.now();
    panels.touch(name);
  }
}, 500);
