// Which validation curves are drawn: a button for each set of rows, in the colour of its line.

import { whole } from "../shared/format.js";

const STORED = "realm-curves";
const TONES = ["gold", "moss", "arcane", "blood"];
const SHOWN = /^(taught|validation$|quest\/)/;

export const idOf = ({ set, sha256 }) => `${set} ${sha256}`;

// Two of one name and as many rows are told apart by their digests.
export function labelOf(curve, curves) {
  const rows = curve.rows === null ? "" : `, ${whole(curve.rows)} row${curve.rows === 1 ? "" : "s"}`;
  const alike = curves.filter(({ set, rows: many }) => set === curve.set && many === curve.rows);
  return `${curve.set}${rows}${alike.length > 1 ? ` (${curve.sha256})` : ""}`;
}

export const isCurrent = (curve, curves) => curves.findLast(({ set }) => set === curve.set) === curve;

export class Curves {
  constructor(root, onChange) {
    this.list = root.querySelector("#curves");
    this.chosen = JSON.parse(localStorage.getItem(STORED) ?? "{}");
    this.all = [];
    this.list.addEventListener("click", ({ target }) => {
      const button = target.closest("button");
      if (!button) return;
      this.choose(button.dataset.set);
      onChange();
    });
  }

  isShown = ({ set }) => this.chosen[set] ?? SHOWN.test(set);

  choose(set) {
    this.chosen[set] = !this.isShown({ set });
    localStorage.setItem(STORED, JSON.stringify(this.chosen));
    this.draw();
  }

  toneOf({ set }) {
    if (/^(taught|validation)$/.test(set)) return "sky";
    const others = [...new Set(this.all.map((curve) => curve.set))].filter((name) => !/^(taught|validation)$/.test(name));
    return TONES[others.indexOf(set) % TONES.length];
  }

  // Those that are drawn.
  fit(all) {
    const changed = all.map(idOf).join() !== this.all.map(idOf).join();
    this.all = [...all];
    if (changed) this.draw();
    return all.filter(this.isShown);
  }

  draw() {
    const past = (curve) => !isCurrent(curve, this.all);
    const place = (curve) => 2 * past(curve) + !SHOWN.test(curve.set);
    const ordered = [...this.all].sort((one, other) => place(one) - place(other));
    const buttons = ordered.map((curve) => {
      const button = document.createElement("button");
      button.className = `key tone-${this.toneOf(curve)}`;
      button.dataset.set = curve.set;
      button.setAttribute("aria-pressed", String(this.isShown(curve)));
      button.textContent = labelOf(curve, this.all);
      button.classList.toggle("past", past(curve));
      return button;
    });
    const focused = [...this.list.children].indexOf(document.activeElement);
    this.list.replaceChildren(...buttons);
    buttons[focused]?.focus();
  }
}
