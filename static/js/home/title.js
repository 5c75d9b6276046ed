// The title and the icon of the page: how far the battle is, and what one would want to be told of.

import { loss } from "../shared/format.js";
import { progressOf } from "../shared/render.js";
import { setTitle } from "../shared/title.js";

const WORDS = { paused: "Resting", resting: "Resting", idle: "Asleep", offline: "Offline", lost: "Offline" };
const ICONS = { training: "training", preparing: "training", paused: "resting", resting: "resting" };
const DONE_SEEN_MS = 10000;
const RING_MS = 60000;
const CURSES = { non_finite: "NaN", divergence: "Diverged" };

export class Title {
  // The ring is drawn by the server: `want` has the event `realm:icon` fired when it may be asked for.
  constructor(root, want) {
    this.want = want;
    this.icon = root.querySelector("link[rel=icon]");
    this.still = this.icon.href.replace(/dio-[a-z]+\.svg$/, "");
    this.curse = null; // {step, word} until a later step has a loss that is a number
    this.doneAt = null; // until somebody has looked at it
    root.body.addEventListener("realm:icon", () => this.drawRing());
  }

  takeEvent({ kind, step, data }) {
    if (kind === "fault" && CURSES[data?.fault]) this.curse = { step, word: CURSES[data.fault] };
    if (kind === "quest_completed") this.doneAt = performance.now();
  }

  draw(store) {
    const { battle } = store;
    if (this.curse && store.training && battle.step > this.curse.step && Number.isFinite(battle.loss)) this.curse = null;
    if (this.doneAt !== null && !document.hidden && performance.now() - this.doneAt > DONE_SEEN_MS) this.doneAt = null;
    const progress = store.training ? progressOf(battle) : null;
    setTitle(this.words(store, progress));
    this.drawIcon(this.stateOf(store), progress);
  }

  // A state at once; the ring of a battle that is over in minutes not at each percent.
  drawIcon(state, progress) {
    const ring = progress === null || state === "done" ? null : Math.trunc(progress * 100);
    if (state !== this.state) {
      this.icon.href = `${this.still}dio-${state}.svg`;
      Object.assign(this, { ringDrawn: null, ringAt: -Infinity });
    }
    Object.assign(this, { state, ring });
    if (ring !== null && ring !== this.ringDrawn && performance.now() - this.ringAt >= RING_MS) this.want();
  }

  drawRing() {
    if (this.ring === null) return;
    Object.assign(this, { ringDrawn: this.ring, ringAt: performance.now() });
    this.icon.href = `/favicon/${this.state}/${this.ring}.svg`;
  }

  words(store, progress) {
    if (this.curse) return `(!) ${this.curse.word} · Realm`;
    if (this.doneAt !== null) return "✓ Quest complete · Realm";
    if (progress !== null) return `${Math.trunc(progress * 100)}% · ${loss(store.battle.loss)} · Realm`;
    return WORDS[store.stance] ? `${WORDS[store.stance]} · Realm` : "Realm";
  }

  stateOf(store) {
    if (this.curse) return "cursed";
    return this.doneAt !== null ? "done" : (ICONS[store.stance] ?? "asleep");
  }
}
