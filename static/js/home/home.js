// The Tavern: puts socket, state and page together. The server's page is complete before any of this runs.

import { Charts } from "./chart.js";
import { duration, loss } from "../shared/format.js";
import { showGains } from "./gains.js";
import { listenToKeys } from "./keys.js";
import { keepOpen } from "./keep_open.js";
import { listenToBlows } from "../replay/blow.js";
import { BattleLog } from "./log.js";
import { Renderer, progressOf } from "../shared/render.js";
import { Scene } from "./scene/scene.js";
import { BattleSocket } from "../shared/socket.js";
import { Sparing } from "../shared/sparing.js";
import { Store } from "../shared/store.js";
import { showAccuracies, showRows, showScores } from "./table.js";
import { Title } from "./title.js";
import { Toasts } from "../shared/toasts.js";
import { drawnAnew } from "../shared/whole_page.js";

const BARS_MS = 250;
const CHARTS_MS = 250;
const ASKED_MS = 8000;
const FRESH_SECONDS = 30;

// Panels that the server draws anew, by what happened.
const REFRESH = {
  checkpoint_saved: ["hero"],
  validated: ["hero"],
  evaluated: ["hero"],
  hero_level_up: ["hero"],
  new_champion: ["hero"],
  branch_changed: ["hero"],
  achievement: ["medals"],
  quest_completed: ["hero", "queue"],
  quest_arrived: ["queue"],
  quest_refused: ["queue"],
  quest_moved: ["queue"],
  quest_held: ["queue"],
  quest_released: ["queue"],
  quest_retried: ["queue"],
  battle_started: ["queue", "orders"],
  battle_resumed: ["queue", "orders"],
  battle_paused: ["orders"],
  battle_stopped: ["queue", "orders"],
  battle_completed: ["queue"],
  battle_failed: ["queue"],
};

const store = new Store();
const renderer = new Renderer(document);
const charts = new Charts(document);
const log = new BattleLog(document);
const toasts = new Toasts(document, (kind) => log.lookOf(kind));
const scene = new Scene(document);
const rows = document.querySelector("#loss-rows");
const scores = document.querySelector("#score-rows");
const accuracies = document.querySelector("#accuracy-rows");
const table = rows.closest("details");
const title = new Title(document, () => sparing.want("icon"));

let chartsDrawnAt = 0;
let chartsWaiting = null;
let saidTenth = null;

const refresh = (panel) => htmx.trigger(document.body, `realm:${panel}`);
// What a battle brings along; orders and the stage are asked for at once, and seldom.
const OFTEN = new Set(["hero", "queue"]);
const sparing = new Sparing(document, { each: refresh, all: drawTogether, alone: "icon" });

async function drawTogether(names) {
  if (names.length === 1) return refresh(names[0]);
  for (const fresh of await drawnAnew(names)) {
    document.getElementById(fresh.id)?.replaceWith(fresh);
    htmx.process(fresh);
  }
}

function draw() {
  renderer.render(store);
  showGains(document, store.hero);
  title.draw(store);
  chartsWaiting ??= setTimeout(drawCharts, Math.max(0, chartsDrawnAt + CHARTS_MS - performance.now()));
}

function drawCharts() {
  chartsWaiting = null;
  chartsDrawnAt = performance.now();
  if (document.hidden) return;
  charts.show(store);
  if (table.open) drawTables();
}

function drawTables() {
  showRows(rows, store);
  showScores(scores, store.validation);
  showAccuracies(accuracies, store.accuracy);
}

// Steps are never announced; each tenth of a battle is.
function sayTenths() {
  const { battle } = store;
  const tenth = store.training ? Math.trunc((progressOf(battle) ?? 0) * 10) : null;
  if (tenth !== null && saidTenth !== null && tenth > saidTenth && tenth < 10) {
    toasts.announce(
      `${battle.quest}, ${tenth * 10} percent, loss ${loss(battle.loss)}, ${duration(battle.eta_s)} left`,
    );
  }
  saidTenth = tenth;
}

function takeSnapshot() {
  renderer.newScene();
  const battle = store.battle?.id ?? "";
  if (battle !== renderer.drawnBattle) scene.whenFree(() => refresh("battle"));
}

function takeEvent(event) {
  if (event.kind === "hero_changed" && event.data.hero !== store.hero.name) location.reload();
  log.add(event);
  title.takeEvent(event);
  for (const panel of REFRESH[event.kind] ?? []) {
    if (OFTEN.has(panel)) sparing.want(panel);
    else refresh(panel);
  }
  if (document.getElementById("first-steps")) sparing.want("first-steps");
  // What came while nobody listened stands in the log; it is not played back as news.
  if (store.serverNow - event.time < FRESH_SECONDS) toasts.forEvent(event);
}

function take(message) {
  const { stance } = store;
  store.take(message);
  scene.take(message, store);
  if (message.type === "snapshot") takeSnapshot();
  if (message.type === "event") takeEvent(message);
  if (message.type === "gap") log.addGap(message, store.serverNow);
  if (message.type === "tick") sayTenths();
  if (store.stance !== stance) refresh("orders");
  if (store.tooLong) socket.reconnect();
  draw();
}

keepOpen(document.body);
store.takeSnapshot(JSON.parse(document.querySelector("#first-snapshot").textContent));
const address = new URL("/ws/battle/", location.href);
address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
const socket = new BattleSocket({
  url: address.href,
  since: Number(document.querySelector("#entries").dataset.seq),
  onMessage: take,
  onLost: () => {
    store.connection = "lost";
    draw();
  },
  onOtherWorld: () => location.reload(),
});

scene.take({ type: "snapshot" }, store);
draw();
socket.connect();
listenToKeys(document);
listenToBlows(document);

setInterval(() => document.hidden || renderer.render(store), BARS_MS);
document.addEventListener("visibilitychange", () => document.hidden || draw());
table.addEventListener("toggle", drawTables);

// Told of each new element, and once of the body.
document.body.addEventListener("htmx:load", ({ detail }) => {
  renderer.forget();
  if (detail.elt.id === "stage") scene.newStage();
  renderer.render(store);
});

// An order that changed nothing leaves its button usable again.
document.body.addEventListener("htmx:afterRequest", ({ detail }) => {
  if (detail.requestConfig.verb !== "post") return;
  const lost = "The order did not reach the server: nothing was changed. Try again when the page is live";
  if (detail.successful) setTimeout(() => refresh("orders"), ASKED_MS);
  else toasts.show("order_lost", lost);
});

document.body.addEventListener("htmx:confirm", (event) => {
  const dialog = document.getElementById(event.detail.elt.dataset.confirm ?? "");
  if (!dialog) return;
  event.preventDefault();
  dialog.returnValue = "";
  dialog.addEventListener("close", () => dialog.returnValue === "go" && event.detail.issueRequest(true), {
    once: true,
  });
  dialog.showModal();
});
