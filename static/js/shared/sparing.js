// How often a page asks for what has changed: at once while somebody is there, else twice a minute, for all of it
// together. The numbers of a battle come by the socket and are not asked for.

const PRESENT_MS = 30000;
const AWAY_MS = 31000;
const SOON_MS = 300; // what happens together is asked for together
const SIGNS = ["pointermove", "pointerdown", "keydown", "wheel", "touchstart", "dragover", "drop", "submit"];

export class Sparing {
  // `each(name)` asks for one part, `all(names)` for several in one request; it says false where it cannot now. The
  // part `alone` needs a request of its own, and takes turns with the others.
  constructor(root, { each, all, alone = null, awayMs = AWAY_MS }) {
    Object.assign(this, { each, all, alone, awayMs });
    this.wasAlone = false;
    this.seenAt = -Infinity;
    this.askedAt = -Infinity;
    this.held = new Set();
    this.timer = null;
    for (const sign of SIGNS) root.addEventListener(sign, () => this.seen(), { passive: true, capture: true });
    root.addEventListener("visibilitychange", () => root.hidden || this.seen());
  }

  get present() {
    return performance.now() - this.seenAt < PRESENT_MS;
  }

  seen() {
    this.seenAt = performance.now();
    this.stop();
    for (const name of this.held) this.each(name);
    this.held.clear();
  }

  want(...names) {
    if (this.present) {
      for (const name of names) this.each(name);
      return;
    }
    for (const name of names) this.held.add(name);
    const wait = Math.max(SOON_MS, this.askedAt + this.awayMs - performance.now());
    this.timer ??= setTimeout(() => this.ask(), wait);
  }

  ask() {
    this.stop();
    if (!this.held.size) return;
    this.askedAt = performance.now();
    const names = this.takeTurn();
    if (this.all(names) === false) {
      this.askedAt = -Infinity;
      for (const name of names) this.held.add(name);
    }
    if (this.held.size) this.want();
  }

  takeTurn() {
    const others = [...this.held].filter((name) => name !== this.alone);
    this.wasAlone = this.held.has(this.alone) && !(this.wasAlone && others.length);
    const names = this.wasAlone ? [this.alone] : others;
    for (const name of names) this.held.delete(name);
    return names;
  }

  stop() {
    clearTimeout(this.timer);
    this.timer = null;
  }
}
