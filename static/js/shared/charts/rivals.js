// Other battles that are drawn beside this one, at most five, and the champion's as a ghost.

import { fetchCurve, runOf } from "./run.js";

const STORED = "realm-rivals";
const MOST = 5;

export class Rivals {
  constructor(root, onChange) {
    this.boxes = [...root.querySelectorAll("[data-rivals] input")];
    this.drawn = new Map(); // by battle: its run, or null until it is there
    this.onChange = onChange;
    const asked = new URLSearchParams(location.search).get("with");
    const chosen = asked?.split(",") ?? JSON.parse(localStorage.getItem(STORED) ?? "null");
    for (const box of this.boxes) {
      if (chosen) box.checked = chosen.includes(box.value);
      box.addEventListener("change", () => this.changed());
    }
    this.fetchChosen();
  }

  // In the order of the list.
  get runs() {
    return this.chosen.map((battle) => this.drawn.get(battle)).filter(Boolean);
  }

  get chosen() {
    return this.boxes.filter(({ checked }) => checked).map(({ value }) => value);
  }

  changed() {
    const { chosen } = this;
    localStorage.setItem(STORED, JSON.stringify(chosen));
    const address = new URL(location.href);
    if (chosen.length) address.searchParams.set("with", chosen.join());
    else address.searchParams.delete("with");
    history.replaceState(history.state, "", address);
    this.onChange();
    this.fetchChosen();
  }

  async fetchChosen() {
    const others = this.boxes.filter((box) => !("ghost" in box.dataset));
    const full = others.filter(({ checked }) => checked).length >= MOST;
    for (const box of others) box.disabled = full && !box.checked;
    await Promise.all(this.boxes.filter(({ checked, value }) => checked && !this.drawn.has(value)).map((box) => this.fetchOne(box)));
  }

  // A battle that has left no steps is not drawn, and not asked for again.
  async fetchOne(box) {
    this.drawn.set(box.value, null);
    const curve = await fetchCurve(box.value).catch(() => null);
    if (!curve?.step.length) return;
    this.drawn.set(box.value, runOf(curve, { label: box.dataset.label, ghost: "ghost" in box.dataset }).run);
    this.onChange();
  }
}
