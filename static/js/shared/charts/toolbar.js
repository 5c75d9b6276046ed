// How the curves of a page are looked at: smoothing, axes, outliers, what is followed, full screen, pictures.

import { spansDecade } from "./logscale.js";
import { saySpan } from "./ticks.js";
import { MOST_SMOOTHED } from "./view.js";

const FINER = 0.05;

export class Toolbar {
  // `on` is told of {change(), look(zoom, live), full(), save()}.
  constructor(root, view, on) {
    Object.assign(this, { view, on });
    this.form = root.querySelector("[data-looking]");
    this.log = root.querySelector("#log-scale");
    this.range = root.querySelector("#range");
    this.follow = root.querySelector("#follow");
    this.whole = root.querySelector("#whole");
    this.form?.addEventListener("input", (event) => this.chosen(event.target));
    this.form?.addEventListener("submit", (event) => event.preventDefault());
    this.log?.addEventListener("click", () => this.toggleLog());
    this.follow?.addEventListener("click", () => on.look(view.zoom, true));
    this.whole?.addEventListener("click", () => on.look(null));
    root.querySelector("[data-full-screen]")?.addEventListener("click", () => on.full());
    root.querySelector("[data-save-picture]")?.addEventListener("click", () => on.save());
    this.say();
  }

  chosen({ name, value }) {
    if (!["smooth", "x", "clip"].includes(name)) return;
    this.view.choose(name, name === "smooth" ? Number(value) : value);
    if (name === "x") this.on.look(null);
    this.say();
    this.on.change();
  }

  smoothBy(more) {
    const smooth = Math.round((this.view.smooth + more * FINER) * 100) / 100;
    this.view.choose("smooth", Math.min(MOST_SMOOTHED, Math.max(0, smooth)));
    this.say();
    this.on.change();
  }

  toggleLog() {
    this.view.choose("log", !this.isLog);
    this.fitLog([]);
    this.on.change();
  }

  // Until the player has chosen, the data decide.
  fitLog(values) {
    this.isLog = this.view.log ?? (values.length ? spansDecade(values) : this.isLog);
    this.log?.setAttribute("aria-pressed", String(Boolean(this.isLog)));
    return this.isLog;
  }

  say() {
    if (!this.form) return;
    this.form.dataset.ready = "";
    const { smooth, x, clip } = this.form.elements;
    if (smooth) smooth.value = this.view.smooth;
    if (x) x.value = this.view.x;
    if (clip) clip.value = this.view.clip;
    const said = this.form.querySelector("[data-smooth]");
    if (said) said.textContent = this.view.smooth.toFixed(2);
  }

  sayZoom() {
    const { zoom, live, x } = this.view;
    if (this.follow) this.follow.hidden = !zoom || live;
    if (this.whole) this.whole.hidden = !zoom;
    if (!this.range) return;
    const span = zoom && saySpan(zoom.min, zoom.max, x).join("–");
    const text = zoom ? (live ? `Following ${span}` : `Paused at ${span}`) : "";
    if (this.range.textContent !== text) this.range.textContent = text;
  }
}
