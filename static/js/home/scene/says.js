// The scene in words: captions, the last hit, what it is for who does not see it.

import { brief, duration, loss, percent, whole } from "../../shared/format.js";
import { progressOf } from "../../shared/render.js";

const LABEL_EVERY_MS = 30000;
const PHASES = ["the trainer starts and loads the hero", "the quest is read and packed"];
const CURSES = new Set(["curse", "nan"]);

export class Says {
  constructor(stage, motion) {
    Object.assign(this, { stage, motion, labelledAt: -Infinity });
    const part = (selector) => stage.querySelector(selector);
    this.caption = part(".said-moment");
    this.remedies = part(".remedies");
    this.result = part(".result");
    this.last = part(".last-blow");
    this.scene = part(".scene");
    this.holder = part(".pause-scene");
    this.holder.hidden = false;
    this.holder.addEventListener("click", () => motion.hold(!motion.held));
    part("[data-retreat]").addEventListener("click", () => document.querySelector("#order-stop")?.click());
    stage.addEventListener("click", ({ target }) => this.clicked(target));
    for (const node of stage.querySelectorAll("[data-due]")) showDue(node);
  }

  // A number is its own step; the foe and the line below are the last one.
  clicked(target) {
    const number = target.closest(".number");
    const step = number ? number.dataset.step : target.closest(".foe, [data-blow]") && this.last.dataset.step;
    if (step) this.onBlow(Number(step));
  }

  blow({ hit, crit, glance, n, step, loss: value }) {
    const word = crit ? " CRIT" : glance ? " glance" : "";
    const many = n > 1 ? ` ×${n}` : "";
    this.last.hidden = false;
    this.last.dataset.step = step;
    this.last.querySelector("b").textContent = `${hit === null ? "--" : brief(hit)}${many}${word}`;
    this.last.querySelector(".of").textContent = `step ${whole(step)}, loss ${loss(value)}`;
  }

  moment(shown) {
    this.caption.hidden = !shown || shown.kind === "complete";
    this.remedies.hidden = !(shown && CURSES.has(shown.kind));
    this.result.hidden = shown?.kind !== "complete";
    if (!shown) return;
    this.caption.dataset.kind = shown.look;
    this.caption.querySelector("b").textContent = shown.title;
    this.caption.querySelector("span").textContent = shown.text;
    if (shown.kind === "complete") this.result.querySelector("p").textContent = shown.text;
  }

  alarm(text) {
    document.querySelector("#said-at-once").textContent = text;
  }

  phase(opened) {
    const node = this.stage.querySelector(".phase");
    const text = PHASES[opened ? 1 : 0];
    if (node.textContent !== text) node.textContent = text;
  }

  // What the picture is changes each step; who listens is told twice a minute at most.
  label({ hero, battle, stance }) {
    if (performance.now() - this.labelledAt < LABEL_EVERY_MS && this.stance === stance) return;
    Object.assign(this, { labelledAt: performance.now(), stance });
    const foe = this.stage.querySelector(".hud-foe .name").firstChild.textContent.trim();
    const course = `${percent(progressOf(battle))} done, loss ${loss(battle?.loss)}, ${duration(battle?.eta_s)} left`;
    const texts = {
      training: `${hero.name} fights ${foe}: ${course}`,
      preparing: `${hero.name} sharpens the sword at an anvil`,
      paused: `${hero.name} rests at a campfire, the battle is paused`,
      resting: `${hero.name} rests at a campfire`,
      idle: `${hero.name} sleeps, no quest is being fought`,
      offline: `${hero.name} sleeps, the arena is not running`,
    };
    this.scene.setAttribute("aria-label", texts[stance] ?? `${hero.name} waits, nothing is heard of the battle`);
  }

  showHeld() {
    this.holder.setAttribute("aria-pressed", String(this.motion.held));
  }
}

function showDue(node) {
  const then = new Date(Number(node.dataset.due) * 1000);
  node.textContent = `next task at ${then.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false })}`;
}
