// Sounds: off until wanted, and until then no audio at all. What is heard is what happened: the pitch of a blow is its
// loss over the mean, so that a run which diverges is heard.

const STORED = "realm-sound";
const HIDDEN = "realm-sound-hidden"; // also while no page is seen, but only the end of a quest and a curse
const HIT_MS = 500;
const OTHERS_MS = 2000;
const DUCK_MS = 1500;
const NOTE_MS = 110;

/* eslint-disable no-sparse-arrays */
// prettier-ignore
const SOUNDS = {
  hit: [.5, .1, 180, , .02, .08, 4, 1.6, -6],
  crit: [.7, .05, 320, , .05, .2, 1, 1.8, 6, , 180, .05],
  block: [.6, .05, 520, , .03, .18, 3, .6, , , , , , .6],
  checkpoint: [.6, 0, 988, , .04, .22, , 1.5, , , 330, .06],
  level: [.8, 0, 262, .03, .25, .35, 1, 1.6, , , 262, .08, .08],
  nan: [.7, .1, 70, .05, .4, .5, 2, .5, -1, , , , , .8],
  away: [.2, 0, 600, , .01, .03, 1],
};
const FANFARE = [262, 330, 392, 523];
const KINDS = { curse: "nan" };
const FREQUENCY = 2; // its place in a sound
const MILESTONES = new Set(["level", "champion", "complete", "nan"]);
const OF_EVENTS = {
  hero_level_up: "level",
  new_champion: "champion",
  quest_completed: "complete",
  checkpoint_saved: "checkpoint",
};
const FRESH_SECONDS = 30;

// Half to double: 1 where the loss is its mean. A loss that is no number is as high as it gets.
export function pitchOf(loss, mean) {
  if (!Number.isFinite(loss)) return 2;
  return mean > 0 ? Math.min(2, Math.max(0.5, loss / mean)) : 1;
}

export function kindOf({ kind, data }) {
  return kind === "fault" && data?.fault === "non_finite" ? "nan" : OF_EVENTS[kind];
}

export class Sound {
  constructor(root) {
    this.root = root;
    this.last = new Map();
    this.milestoneAt = -Infinity;
    this.on = (stored() ?? root.documentElement.dataset.sound) === "on";
    root.addEventListener("realm:hit", ({ detail }) => this.hit(detail));
    root.addEventListener("realm:moment", ({ detail }) => this.play(KINDS[detail.kind] ?? detail.kind));
    root.addEventListener("realm:event", ({ detail }) => this.event(detail));
    for (const gesture of ["pointerdown", "keydown"]) root.addEventListener(gesture, () => this.on && this.wake());
  }

  // A browser lets a page be heard only once somebody has touched it.
  async wake() {
    this.loading ??= import("../../vendor/zzfx/ZzFX.js");
    this.synth = (await this.loading).ZZFX;
    if (this.synth.audioContext.state === "suspended") await this.synth.audioContext.resume();
  }

  async set(on) {
    this.on = on;
    localStorage.setItem(STORED, on ? "on" : "off");
    if (on) await this.wake();
    else await this.synth?.audioContext.suspend();
    this.play("away");
  }

  hit({ loss, mean, crit }) {
    this.play(crit ? "crit" : "hit", pitchOf(loss, mean));
  }

  // Where there is no scene to tell of moments, and while nobody sees it, events do.
  event(event) {
    const kind = kindOf(event);
    if (!kind || Date.now() / 1000 - event.time > FRESH_SECONDS) return;
    if (this.root.hidden || !this.root.querySelector("#stage")) this.play(kind);
  }

  play(kind, pitch = 1) {
    if (!this.may(kind)) return;
    this.last.set(limitOf(kind), performance.now());
    if (MILESTONES.has(kind)) this.milestoneAt = performance.now();
    const { volume } = this.root.documentElement.dataset;
    this.synth.volume = Number(volume ?? 30) / 100;
    if (kind === "champion" || kind === "complete") this.fanfare();
    else this.synth.play(...this.shaped(kind, pitch));
  }

  may(kind) {
    if (!this.on || !this.synth || !(SOUNDS[kind] || MILESTONES.has(kind))) return false;
    if (this.root.documentElement.dataset.silent?.split(" ").includes(kind)) return false;
    const heardHidden = localStorage.getItem(HIDDEN) === "on" && (kind === "complete" || kind === "nan");
    if (this.root.hidden && !heardHidden) return false;
    const least = limitOf(kind) === "hit" ? HIT_MS : OTHERS_MS;
    return performance.now() - (this.last.get(limitOf(kind)) ?? -Infinity) >= least;
  }

  shaped(kind, pitch) {
    const sound = [...SOUNDS[kind]];
    sound[FREQUENCY] *= pitch;
    if (limitOf(kind) === "hit" && performance.now() - this.milestoneAt < DUCK_MS) sound[0] /= 2;
    return sound;
  }

  fanfare() {
    FANFARE.forEach((note, at) =>
      setTimeout(() => this.on && this.synth.play(0.6, 0, note, 0.01, 0.06, 0.22, 1, 1.5), at * NOTE_MS),
    );
  }
}

const limitOf = (kind) => (kind === "crit" ? "hit" : kind);

function stored() {
  const value = localStorage.getItem(STORED);
  return value === "on" || value === "off" ? value : null;
}

function offer(button, sound) {
  const show = () => {
    button.setAttribute("aria-pressed", sound.on);
    button.title = sound.on ? "Sound is on (M)" : "Sound is off (M)";
  };
  const turn = async () => {
    const done = sound.set(!sound.on);
    show();
    await done;
  };
  button.hidden = false;
  button.addEventListener("click", turn);
  document.addEventListener("keydown", (event) => {
    if (event.key !== "m" || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (localStorage.getItem("realm-keys") === "off" || document.documentElement.dataset.keys === "off") return;
    if (event.target.closest?.("input:not([type=checkbox]), textarea, select, dialog[open]")) return;
    turn();
  });
  show();
}

const button = document.querySelector("#sound");
if (button) offer(button, new Sound(document));
