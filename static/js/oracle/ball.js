// The crystal ball: silent, thinking until the first word, speaking; each piece of an answer is one flash.

const FLASH_MS = 260;
const BETWEEN_MS = 90;

export class Ball {
  constructor(root) {
    this.node = root.querySelector("#ball");
    this.core = this.node.querySelector(".core");
    this.mood = root.querySelector("#mood");
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
    this.flashedAt = -Infinity;
  }

  show(state, text) {
    this.node.dataset.state = state;
    if (this.mood.textContent !== text) this.mood.textContent = text;
  }

  flash() {
    const now = performance.now();
    if (this.still.matches || now - this.flashedAt < BETWEEN_MS) return;
    this.flashedAt = now;
    this.core.animate([{ opacity: 1 }, { opacity: 0.6 }], { duration: FLASH_MS, easing: "ease-out" });
  }
}
