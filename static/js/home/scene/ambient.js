// What moves without a reason: breath, fire, sleep, mist and the hills. A few times a second, for a loop at the screen's
// own rate would cost the machine that trains a good part of a processor.

const EVERY_MS = 90;
const WIND_EVERY = 4; // of these
const WIND_SECONDS = 40;

const wave = (seconds, period, shift = 0) => Math.sin(((seconds + shift) / period) * 2 * Math.PI);

// By part, what moves it at a time in seconds.
const PARTS = {
  "dio-breath": (t) => `scale(1, ${(1.0075 + 0.0075 * wave(t, 2.4)).toFixed(4)})`,
  "dio-cape": (t) => `skewX(${(1.6 * wave(t, 3.1)).toFixed(2)}deg)`,
  "foe-bob": (t) => `translate(0, ${(-1.5 - 1.5 * wave(t, 2.9)).toFixed(2)}px)`,
  campfire: (t) => `translate(566px, 304px) scale(1, ${(1 + 0.025 * wave(t, 0.7)).toFixed(3)}) translate(-566px, -304px)`,
  dream: (t) => `translate(${(3 * wave(t, 4)).toFixed(2)}px, ${(5 * wave(t, 4, 1)).toFixed(2)}px)`,
  "hex-star": (t) => `translate(0, ${(4 * wave(t, 2.2)).toFixed(2)}px)`,
  mist: (t) => `translate(${(40 * wave(t, 14)).toFixed(2)}px, 0)`,
};
const WIND = {
  "far-hills": (t) => `translate(${(6 * wave(t, WIND_SECONDS)).toFixed(2)}px, 0)`,
  pines: (t) => `translate(${(14 * wave(t, WIND_SECONDS)).toFixed(2)}px, 0)`,
};
const GLOWS = { "fire-glow": 0.75, "lantern-glow": 0.85 };
const NEEDS = {
  campfire: "camp", "fire-glow": "camp", dream: "bedroom", "lantern-glow": "bedroom", "hex-star": "hex", mist: "fog",
  "foe-bob": "foe-at",
};
const SHARPENING = { part: "dio-swing", of: (t) => `rotate(${(14 * wave(t, 1.2)).toFixed(2)}deg)` };

export class Ambient {
  constructor(hand, stance) {
    Object.assign(this, { hand, stance, timer: null, count: 0 });
  }

  get wanted() {
    return this.hand.motion.level !== "off" && !document.hidden;
  }

  run() {
    if (!this.wanted) return this.stop();
    this.timer ??= setInterval(() => this.beat(), EVERY_MS);
  }

  stop() {
    clearInterval(this.timer);
    this.timer = null;
    for (const name of [...Object.keys(PARTS), ...Object.keys(WIND), SHARPENING.part]) this.set(name, "");
    for (const name of Object.keys(GLOWS)) this.glow(name, "");
  }

  beat() {
    if (!this.wanted) return this.stop();
    const t = performance.now() / 1000;
    for (const [name, transform] of Object.entries(PARTS)) if (this.isSeen(name)) this.set(name, transform(t));
    for (const [name, least] of Object.entries(GLOWS)) {
      if (this.isSeen(name)) this.glow(name, (least + (1 - least) * (0.5 + 0.5 * wave(t, 0.9) * wave(t, 2.3))).toFixed(3));
    }
    this.set(SHARPENING.part, this.stance() === "preparing" ? SHARPENING.of(t) : "");
    if (this.hand.motion.level !== "full" || this.count++ % WIND_EVERY) return;
    for (const [name, transform] of Object.entries(WIND)) this.set(name, transform(t));
  }

  isSeen(name) {
    const whole = this.hand.part(NEEDS[name] ?? "scene");
    return whole && getComputedStyle(whole).opacity !== "0";
  }

  set(name, transform) {
    const node = this.hand.part(name);
    if (node && node.style.transform !== transform) node.style.transform = transform;
  }

  glow(name, opacity) {
    const node = this.hand.part(name);
    if (node && node.style.opacity !== opacity) node.style.opacity = opacity;
  }
}
