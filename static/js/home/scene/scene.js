// The battle scene: what the run does, as a picture. Blows are steps, moments are entries of the chronicle; nothing is
// shown that did not happen.

import { loss, whole } from "../../shared/format.js";
import { progressOf } from "../../shared/render.js";
import { Ambient } from "./ambient.js";
import { Blows } from "./blows.js";
import { BLOW_MS, attack } from "./gestures.js";
import { HOLDING, moment, momentOf } from "./moments.js";
import { Motion } from "./motion.js";
import { Numbers } from "./numbers.js";
import { MomentQueue } from "./queue.js";
import { Says } from "./says.js";
import { showHour } from "./sky.js";
import { Stagehand } from "./stagehand.js";

const FRESH_SECONDS = 30;
const LEAST_HOLD_MS = 2500;
const EXAMINED_MS = 1200; // of silence after a checkpoint: the hero is being asked
const LEVELS_PER_PLUME = 5;
const MOST_PLUMES = 6;

export class Scene {
  constructor(root) {
    this.root = root;
    this.motion = new Motion(root);
    this.motion.onChange = () => this.motionChanged();
    this.blows = new Blows();
    this.queue = new MomentQueue({ begin: (one) => this.begin(one), end: (one) => this.end(one) });
    this.struckAt = -Infinity;
    this.newStage();
    root.addEventListener("visibilitychange", () => this.seenAgain());
  }

  // The server draws a stage anew for each battle; what was shown goes with the old one.
  newStage() {
    this.page = this.root.querySelector(".page");
    this.stage = this.root.querySelector("#stage");
    this.picture = this.stage.querySelector(".picture"); // htmx writes no style of an element with an id back
    this.hand = new Stagehand(this.stage, this.motion);
    this.numbers = new Numbers(this.hand);
    this.ambient?.stop();
    this.ambient = new Ambient(this.hand, () => this.page.dataset.state);
    this.says = new Says(this.stage, this.motion);
    this.says.onBlow = (step) => this.ask(step);
    if (this.queue.now) this.says.moment(this.queue.now);
    this.motionChanged();
    if (this.store) this.look(this.store);
  }

  motionChanged() {
    if (this.motion.level === "off") this.hand.still();
    this.stage.dataset.motion = this.motion.level;
    this.says.showHeld();
    this.ambient.run();
  }

  // One message of the stream, once the store has it.
  take(message, store) {
    this.store = store;
    if (message.type === "snapshot") this.takeSnapshot(store);
    if (message.type === "tick" && message.run === store.battle?.id) this.takePoints(message.points);
    if (message.type === "event") this.takeEvent(message, store);
    this.look(store);
  }

  takeSnapshot({ battle, curve }) {
    if ((battle?.id ?? null) === this.battle) return;
    this.battle = battle?.id ?? null;
    this.blows.forget();
    this.resolve();
    // Before its first step, all that the curve has are steps of battles before it.
    const first = battle?.first_step ?? Infinity;
    curve.loss.forEach((value, at) => curve.step[at] > first && Number.isFinite(value) && this.blows.learn(value));
  }

  takePoints(points) {
    if (!points.length) return;
    this.examined = null;
    if (this.queue.now?.kind === "boss") this.queue.finish();
    for (const [step, value] of points) this.takeStep({ step, loss: value });
    this.strike();
  }

  takeStep(step) {
    const how = this.blows.add(step);
    if (how === "finite") this.resolve();
    else if (how === "spike") {
      const text = `loss ${loss(step.loss)} at step ${whole(step.step)} is far above its mean`;
      this.push(moment("curse", "Cursed", text, step.step));
    } else if (!HOLDING.has(this.queue.now?.kind)) {
      const text = `loss is ${step.loss === null ? "NaN" : loss(step.loss)} at step ${whole(step.step)}`;
      this.push(moment("nan", "Cursed", text, step.step));
      this.says.alarm(`Cursed: ${text}`);
    }
  }

  takeEvent(event, store) {
    if (event.kind === "checkpoint_saved") this.examined = performance.now();
    this.bear(event);
    if (event.kind === "battle_started" || event.kind === "battle_resumed") this.resolve();
    const shown = store.serverNow - event.time < FRESH_SECONDS && momentOf(event);
    if (shown) this.push(shown);
  }

  // What stays on the hero: the champion's laurel, and cracks in the shield.
  bear(event) {
    if (event.kind === "checkpoint_saved") this.stage.dataset.crowned = "off";
    if (event.kind === "new_champion") this.stage.dataset.crowned = "on";
    if (event.kind === "skill_level_lost" || event.kind === "skill_level_regained") this.crack(event);
  }

  // In a replay, where steps are passed over: as the hero stood after these events.
  stand(events) {
    Object.assign(this.stage.dataset, { crowned: "off", lost: "" });
    for (const event of events) this.bear(event);
  }

  // The shield is whole again once no level is lost any more.
  crack({ kind, data: { skill, level } }) {
    const lost = new Set(this.stage.dataset.lost.split(" ").filter(Boolean));
    if (kind === "skill_level_lost") lost.add(`${skill}/${level}`);
    else lost.delete(`${skill}/${level}`);
    this.stage.dataset.lost = [...lost].join(" ");
  }

  // A record of steps.bin, `{step, loss, quest_step}`, as it happens in a replay. `context`: `battle`, `total`, and the
  // `events` that lie at this step. Says whether a blow was drawn now; else it counts into the next one.
  play(record, { battle, total, events = [] }) {
    if (battle !== this.battle) {
      this.blows.forget();
      this.queue.clear();
      this.battle = battle;
      this.stage.dataset.lost = "";
    } else if (record.step <= this.played) this.blows.forget(); // gone back
    this.played = record.step;
    this.takeStep({ step: record.step, loss: record.loss });
    for (const event of events) this.takeEvent({ ...event, time: 0 }, { serverNow: 0 });
    const progress = total ? Math.min(1, record.quest_step / total) : null;
    showHour(this.picture, progress);
    if (progress !== null) showLeft(this.stage.querySelector("[data-bar=foe]"), 1 - progress);
    return this.strike();
  }

  push(shown) {
    if (!this.root.hidden) this.queue.push(shown);
  }

  strike() {
    if (this.root.hidden) this.blows.drop();
    if (this.queue.now || this.striking) return false;
    const wait = this.struckAt + BLOW_MS - performance.now();
    if (wait > 0) {
      this.striking = setTimeout(() => this.strikeNow(), wait);
      return false;
    }
    return this.strikeNow();
  }

  strikeNow() {
    this.striking = null;
    const blow = this.queue.now ? null : this.blows.take();
    if (!blow) return false;
    this.struckAt = performance.now();
    attack(this.hand, blow);
    this.numbers.blow(blow);
    this.says.blow(blow);
    this.tell("realm:hit", blow);
    return true;
  }

  begin(shown) {
    this.hand.still();
    this.blows.drop();
    this.begunAt = performance.now();
    this.page.dataset.moment = shown.look;
    this.says.moment(shown);
    shown.gesture(this.hand);
    if (shown.kind === "block") this.numbers.pop("BLOCK", { kind: "block", dx: -170, dy: -66 });
    if (shown.tells) this.tell("realm:moment", { kind: shown.tells });
  }

  end() {
    delete this.page.dataset.moment;
    this.says.moment(null);
    this.onFree?.();
    this.onFree = null;
  }

  // What holds lasts until the run goes on, and long enough to be seen.
  resolve() {
    if (!HOLDING.has(this.queue.now?.kind) || this.resolving) return;
    const held = this.queue.now;
    const left = Math.max(0, this.begunAt + LEAST_HOLD_MS - performance.now());
    this.resolving = setTimeout(() => {
      this.resolving = null;
      if (this.queue.now === held) this.queue.finish();
    }, left);
  }

  // The stage is not taken away under a moment.
  whenFree(act) {
    if (this.queue.now && !HOLDING.has(this.queue.now.kind)) this.onFree = act;
    else act();
  }

  look(store) {
    const { hero, battle } = store;
    showHour(this.picture, store.training || store.stance === "paused" ? progressOf(battle) : null);
    const plume = String(Math.min(Math.floor(hero.level / LEVELS_PER_PLUME), MOST_PLUMES));
    if (this.stage.dataset.plume !== plume) this.stage.dataset.plume = plume;
    this.says.label(store);
    this.says.phase(battle?.state === "training" && !battle.quest_step);
    this.ambient.run();
    this.examine(store);
  }

  examine(store) {
    if (!this.examined || this.queue.now || !store.training) return;
    const silence = Math.max(EXAMINED_MS, 3000 / (store.battle.sps || 3));
    if (performance.now() - this.examined < silence) return;
    this.push(moment("boss", "The validation boss wakes", "the checkpoint is put to the test"));
  }

  seenAgain() {
    this.blows.drop();
    if (this.root.hidden) this.queue.clear();
    this.ambient.run();
  }

  ask(step) {
    this.tell("realm:blow", { battle: this.battle, step });
  }

  tell(name, detail) {
    this.root.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

function showLeft(bar, left) {
  bar.querySelector("rect").style.transform = `scaleX(${left.toFixed(4)})`;
  bar.setAttribute("aria-valuenow", String(Math.trunc(left * 100)));
}
