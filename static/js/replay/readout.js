// The figures under the picture, as text; written at most ten times a second.

import { loss, scientific, whole } from "../shared/format.js";

const LEAST_MS = 100;
const WORDS = { crit: "critical", glance: "glance", hit: "hit" };
const TIME = { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false };
const clock = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", ...TIME });

export class Readout {
  constructor(root) {
    this.nodes = Object.fromEntries([...root.querySelectorAll("[data-said]")].map((node) => [node.dataset.said, node]));
    this.said = root.querySelector("#trouble");
    this.scrub = root.querySelector("#scrub");
    this.waiting = null;
    this.shownAt = -Infinity;
  }

  show(record) {
    this.record = record;
    this.waiting ??= setTimeout(() => this.write(), Math.max(0, this.shownAt + LEAST_MS - performance.now()));
  }

  write() {
    const { step, hit, mean, learning_rate: rate, time } = this.record;
    this.waiting = null;
    this.shownAt = performance.now();
    const texts = {
      step: whole(step),
      loss: loss(this.record.loss),
      mean: loss(mean),
      hit: WORDS[hit],
      rate: scientific(rate),
      time: time ? clock.format(new Date(time * 1e3)) : "--",
    };
    for (const [name, text] of Object.entries(texts)) {
      if (this.nodes[name].textContent !== text) this.nodes[name].textContent = text;
    }
    this.scrub.setAttribute("aria-valuetext", `step ${texts.step}, loss ${texts.loss}`);
  }

  trouble(text) {
    if (this.said.textContent !== text) this.said.textContent = text;
  }
}
