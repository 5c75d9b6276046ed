// What was not heard anew for ten seconds is marked: figures that stand still look like figures that are true.

import { duration } from "../shared/format.js";

const STALE_MS = 10000;

export class Fresh {
  constructor(root) {
    this.root = root;
    this.heardAt = new Map();
    root.body.addEventListener("htmx:afterRequest", (event) => {
      const { requestConfig, successful } = event.detail; // its `elt` is another one once the panel was swapped
      if (successful) this.heardAt.set(requestConfig.elt.id, Date.now());
    });
    root.body.addEventListener("realm:drawn", ({ detail }) => this.heardAt.set(detail.panel, Date.now()));
    for (const panel of root.querySelectorAll("[data-fresh]")) this.heardAt.set(panel.id, Date.now());
  }

  // A page that was hidden asked nobody.
  mark() {
    for (const panel of this.root.querySelectorAll("[data-fresh]")) {
      const age = Date.now() - (this.heardAt.get(panel.id) ?? Date.now());
      const text = age > STALE_MS ? `as of ${duration(age / 1000)} ago` : null;
      if ((panel.dataset.stale ?? null) === text) continue;
      if (text === null) delete panel.dataset.stale;
      else panel.dataset.stale = text;
    }
  }
}
