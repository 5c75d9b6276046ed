// How long ago: written by the server, kept true here.

import { duration } from "./format.js";

const EVERY_MS = 20000;

export class Ages {
  constructor(root) {
    setInterval(() => document.hidden || this.write(root), EVERY_MS);
  }

  write(root) {
    for (const node of root.querySelectorAll("time.age")) {
      const text = duration((Date.now() - Date.parse(node.dateTime)) / 1000);
      const shown = node.querySelector("b") ?? node;
      if (shown.textContent !== text) shown.textContent = text;
    }
  }
}
