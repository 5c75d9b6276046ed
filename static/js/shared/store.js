// The state that the page shows: the last snapshot, kept up to date by ticks and events.

import { momentOf } from "./charts/moments.js";
import { addScores } from "./scores.js";

const MOST_POINTS = 20000;
const MOST_MARKS = 400;

const LIVE = [
  "state",
  "total",
  "step",
  "quest_step",
  "sps",
  "loss",
  "ema",
  "val",
  "lr",
  "gnorm",
  "tok_s",
  "eta_s",
  "elapsed_s",
  "mean",
  "spread",
  "mem",
  "est_s",
  "est_mem",
  "err_s",
  "err_mem",
];

export class Store {
  constructor() {
    this.connection = "connecting";
    this.lastHeard = performance.now();
    this.tickMs = 1000;
  }

  take(message) {
    const now = performance.now();
    this.connection = "open";
    if (message.type === "snapshot") this.takeSnapshot(message);
    if (message.type === "tick") this.takeTick(message, now);
    if (message.type === "event") this.takeEvent(message);
    this.lastHeard = now;
  }

  takeSnapshot({ hero, arena, battle, curve, course, validation, accuracy, marks, server_time }) {
    Object.assign(this, { hero, arena, battle, curve, course, validation, accuracy, marks, serverTime: server_time });
    this.steppedAt = performance.now();
  }

  takeTick(tick, now) {
    this.arena = tick.arena;
    this.hero = tick.hero ?? this.hero;
    this.serverTime = tick.server_time;
    if (!this.battle || tick.run !== this.battle.id) return;
    if (tick.quest_step !== this.battle.quest_step) {
      this.tickMs = 0.8 * this.tickMs + 0.2 * Math.min(5000, now - this.steppedAt);
      this.steppedAt = now;
    }
    for (const key of LIVE) this.battle[key] = tick[key];
    const before = [this.course.tokens.at(-1) ?? 0, this.course.seconds.at(-1) ?? 0];
    tick.points.forEach((point, at) => this.addPoint(point, tick.course[at], before));
  }

  // What a tick counts since the one before is counted on from the curve's beginning.
  addPoint([step, loss, lr], [norm, tokens, seconds, memory], [read, spent]) {
    const { curve, course } = this;
    if (curve.step.length && step <= curve.step.at(-1)) return;
    curve.step.push(step);
    curve.loss.push(loss);
    curve.lr.push(lr);
    course.norm.push(norm);
    course.tokens.push(read + tokens);
    course.seconds.push(spent + seconds);
    course.memory.push(memory);
  }

  takeEvent({ kind, run, step, data, message }) {
    const moment = momentOf({ kind, step, data, message });
    if (moment) this.marks = [...this.marks, moment].slice(-MOST_MARKS);
    if (kind === "validated" && this.battle && run === this.battle.id) addScores(this.validation, step, data);
    if (kind === "evaluated") addAccuracy(this.accuracy, [step, data.accuracy, data.skill, data.level]);
  }

  // A page that is open for days asks for a snapshot, thinned by the server, instead of growing without end.
  get tooLong() {
    return this.curve.step.length > MOST_POINTS;
  }

  get stance() {
    if (this.connection === "lost") return "lost";
    if (!this.arena.alive) return "offline";
    return this.arena.stale ? "stale" : this.arena.state;
  }

  get training() {
    return this.stance === "training" && this.battle?.state === "training";
  }

  get serverNow() {
    return this.serverTime + (performance.now() - this.lastHeard) / 1000;
  }
}

// Of a checkpoint and skill the highest level is drawn, as in the snapshot: those below are asked to see what is
// still known.
function addAccuracy(series, point) {
  const [step, , skill, level] = point;
  const last = series.at(-1);
  const same = last && last[0] === step && last[2] === skill;
  if (same && last[3] > level) return;
  if (same && last[3] < level && Number.isFinite(point[1])) series.pop();
  addTo(series, point);
}

// Told twice, a point is drawn once: two are the same if all but their value is.
function addTo(series, point) {
  const [step, value, ...of] = point;
  const last = series.at(-1);
  if (!Number.isFinite(value) || (last && step < last[0])) return;
  if (last && step === last[0] && of.every((part, at) => part === last[at + 2])) series.pop();
  series.push(point);
}
