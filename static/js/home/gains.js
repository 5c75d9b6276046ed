// What changed since this page was opened, as a chip beside each of the hero's stats.

import { brief, hundredfold } from "../shared/format.js";

const SAY = { attack: hundredfold, defense: hundredfold, accuracy: hundredfold, gold: brief };

export class Gains {
  constructor() {
    this.start = new Map();
  }

  show(root) {
    for (const node of root.querySelectorAll("[data-stat]")) {
      if (node.dataset.value === "") continue;
      const { stat, value } = node.dataset;
      if (!this.start.has(stat)) this.start.set(stat, Number(value));
      this.chip(node, Number(value) - this.start.get(stat), SAY[stat]);
    }
  }

  chip(node, change, say) {
    const text = say(Math.abs(change));
    if (text === say(0)) return;
    const chip = document.createElement("dd");
    chip.className = `delta ${change > 0 ? "better" : "worse"}`;
    chip.textContent = `${change > 0 ? "▲" : "▼"} ${text}`;
    chip.title = "since this page was opened";
    node.after(chip);
  }
}
