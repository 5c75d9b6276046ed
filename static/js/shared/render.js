// Writes the state into the elements that the server's template marked: data-live for text, data-bar, data-ring.

import {
  UNKNOWN,
  brief,
  clock,
  compact,
  deviation,
  duration,
  hundredfold,
  loss,
  percent,
  rate,
  scientific,
  size,
  whole,
} from "./format.js";
import { smoothStep } from "./smooth.js";

const LEVEL_STEPS = 1000;
const ESTIMATING_STEPS = 20;
const SILENT_MS = 6000;

export function progressOf(battle) {
  if (!battle?.total || battle.quest_step === null) return null;
  if (battle.state === "completed") return 1;
  return Math.min(battle.quest_step, battle.total - 1) / battle.total;
}

function eta({ battle }) {
  if (battle?.state !== "training") return UNKNOWN;
  if ((battle.quest_step ?? 0) < ESTIMATING_STEPS) return "estimating…";
  if (battle.eta_s === null) return UNKNOWN;
  return `${duration(battle.eta_s)} (${clock(battle.eta_s)})`;
}

function rolling({ battle }) {
  return (battle?.mean ?? null) === null ? UNKNOWN : `${loss(battle.mean)} ± ${loss(battle.spread)}`;
}

// The estimate; once the battle is over, how far off it was.
function forecast({ battle }) {
  if (!battle || (battle.err_mem === null && battle.est_mem === null)) return "";
  if (battle.err_mem !== null) {
    const time = battle.err_s === null ? "" : `time ${deviation(battle.err_s)}, `;
    return `estimate off by: ${time}memory ${deviation(battle.err_mem)}`;
  }
  const time = battle.est_s === null ? "" : `${duration(battle.est_s)}, `;
  const used = battle.mem === null ? "" : `; in use ${size(battle.mem)}`;
  return `estimate ${time}${size(battle.est_mem)}${used}`;
}

const HELD = [
  ["weights", "weights"],
  ["gradients", "gradients"],
  ["optimizer", "optimizer"],
  ["process", "process"],
];

// What the tensors take is known since the battle began; what is left of the newest step's peak is the rest.
function memoryHeld({ battle }) {
  const held = battle?.memory;
  if (!held) return "";
  const known = HELD.reduce((sum, [key]) => sum + held[key], 0);
  const rest = battle.mem === null ? null : Math.max(0, battle.mem - known);
  return [...HELD.map(([key, name]) => `${name} ${size(held[key])}`), `activations and the rest ${size(rest)}`].join(
    ", ",
  );
}

function nextLevel(store) {
  const { hero, battle } = store;
  if (!store.training || !battle.sps) return "";
  return `next in ${duration((hero.next_level_xp - hero.xp) / battle.sps)}`;
}

export function pillOf(store) {
  const silent = performance.now() - store.lastHeard;
  if (store.connection === "lost") return ["offline", "Offline"];
  if (!store.arena.alive) return ["offline", "Offline"];
  if (store.arena.stale || silent > SILENT_MS) {
    return ["waiting", `Waiting for trainer (${duration(store.arena.age_s ?? silent / 1000)})`];
  }
  return ["live", store.training && store.battle.sps !== null ? `Live ${rate(store.battle.sps)}/s` : "Live"];
}

const TEXTS = {
  level: (s) => whole(s.hero.level),
  xp: (s) => whole(s.hero.xp),
  "level-xp": (s) => whole(s.hero.level_xp),
  title: (s) => s.hero.title,
  attack: (s) => hundredfold(s.hero.attack),
  gold: (s) => brief(s.hero.gold),
  "next-level": nextLevel,
  subject: (s) => s.battle?.quest ?? "",
  fought: (s) => (["training", "paused"].includes(s.battle?.state) ? s.battle.quest : ""),
  "arena-message": (s) => s.arena.message ?? "",
  silence: (s) => duration(s.arena.age_s),
  "battle-state": (s) => s.battle?.state ?? "no battle yet",
  step: (s) => whole(s.battle?.step),
  "quest-step": (s) => whole(s.battle?.quest_step),
  total: (s) => whole(s.battle?.total),
  percent: (s) => percent(progressOf(s.battle)),
  elapsed: (s) => duration(s.battle?.elapsed_s),
  eta,
  forecast,
  rolling,
  loss: (s) => loss(s.battle?.loss),
  val: (s) => loss(s.battle?.val),
  lr: (s) => scientific(s.battle?.lr),
  gnorm: (s) => loss(s.battle?.gnorm),
  mem: (s) => size(s.battle?.mem),
  sps: (s) => rate(s.battle?.sps),
  "tok-s": (s) => compact(s.battle?.tok_s),
  accuracy: (s) => percent(s.accuracy.at(-1)?.[1]),
  pill: (s) => pillOf(s)[1],
};

const TITLES = {
  xp: (s) => `${whole(s.hero.xp)} training steps in all`,
  gold: (s) => `${whole(s.hero.gold)} gold, 100 for each completed quest`,
  memory: memoryHeld,
};

export class Renderer {
  constructor(root) {
    this.root = root;
    this.forget();
    this.newScene();
  }

  get drawnBattle() {
    return this.root.querySelector("#stage").dataset.battle;
  }

  // After a panel was replaced its elements are new.
  forget() {
    this.texts = [...this.root.querySelectorAll("[data-live]")];
    this.titles = [...this.root.querySelectorAll("[data-title]")];
    this.bars = [...this.root.querySelectorAll("[data-bar]")];
    this.rings = [...this.root.querySelectorAll("[data-ring]")];
    this.page = this.root.querySelector(".page");
    this.pill = this.root.querySelector("#pill");
  }

  // A bar may go back only when another battle begins or a resume cut steps off; then it does not slide there.
  newScene() {
    this.shownStep = 0;
  }

  render(store) {
    for (const node of this.texts) write(node, TEXTS[node.dataset.live](store));
    for (const node of this.titles)
      if (node.title !== TITLES[node.dataset.title](store)) node.title = TITLES[node.dataset.title](store);
    set(this.page, "state", store.stance);
    set(this.pill, "pill", pillOf(store)[0]);
    this.renderBars(store);
  }

  renderBars(store) {
    const battle = store.battle?.id ?? null;
    const another = battle !== this.battle;
    if (another) this.newScene();
    this.battle = battle;
    const fractions = this.fractions(store);
    for (const node of this.bars)
      if (node.dataset.bar in fractions) fill(node, fractions[node.dataset.bar], another && node.dataset.bar !== "xp");
    for (const node of this.rings) {
      const dash = `${(fractions[node.dataset.ring] * 100).toFixed(2)} 100`;
      if (node.getAttribute("stroke-dasharray") !== dash) node.setAttribute("stroke-dasharray", dash);
    }
  }

  fractions(store) {
    const progress = this.smoothProgress(store);
    const xp = 1 - (store.hero.next_level_xp - store.hero.xp) / LEVEL_STEPS;
    return { xp, progress: progress ?? 0, foe: progress === null ? 0 : 1 - progress };
  }

  smoothProgress(store) {
    const { battle } = store;
    const exact = progressOf(battle);
    if (exact === null || !store.training) return exact;
    this.shownStep = smoothStep(
      {
        step: battle.quest_step,
        total: battle.total,
        sps: battle.sps,
        done: false,
        tickSeconds: store.tickMs / 1000,
        sinceTick: (performance.now() - store.steppedAt) / 1000,
      },
      this.shownStep,
    );
    return this.shownStep / battle.total;
  }
}

function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function set(node, key, value) {
  if (node.dataset[key] !== value) node.dataset[key] = value;
}

function fill(node, fraction, atOnce) {
  const scale = `scaleX(${Math.min(1, Math.max(0, fraction)).toFixed(4)})`;
  const rect = node.querySelector("rect");
  node.classList.toggle("at-once", atOnce);
  if (rect.style.transform !== scale) rect.style.transform = scale;
  if (atOnce) rect.getBoundingClientRect(); // drawn before it may slide again
  const whole = String(Math.trunc(fraction * 100));
  if (node.getAttribute("aria-valuenow") !== whole) node.setAttribute("aria-valuenow", whole);
}
