// Numbers that rise from the foe: a few texts that are used again, the oldest first.

import { brief } from "../../shared/format.js";

const RISE_MS = 900;

export class Numbers {
  constructor(hand) {
    this.hand = hand;
    this.nodes = [...hand.stage.querySelectorAll(".number")];
    this.next = 0;
  }

  pop(text, { kind = "hit", step = "", dx = 0, dy = 0 } = {}) {
    if (!this.hand.motion.numbers) return;
    const node = this.nodes[this.next];
    this.next = (this.next + 1) % this.nodes.length;
    for (const animation of node.getAnimations()) animation.cancel();
    node.textContent = text;
    node.dataset.kind = kind;
    node.dataset.step = step;
    const rise = this.hand.calm ? 30 : 70;
    const at = (y) => `translate(${dx}px, ${dy - y}px)`;
    this.hand.move(
      node,
      [
        { opacity: 0, transform: `${at(0)} scale(.7)` },
        { opacity: 1, transform: `${at(rise * 0.2)} scale(1)`, offset: 0.15 },
        { opacity: 1, transform: at(rise * 0.7), offset: 0.7 },
        { opacity: 0, transform: at(rise) },
      ],
      { duration: RISE_MS, easing: "linear" },
    );
  }

  blow({ hit, crit, glance, n, step }) {
    const dx = crit ? 20 : (this.next % 3) * 26 - 26;
    const said = hit === null ? "--" : brief(hit);
    const kind = crit ? "crit" : glance ? "glance" : "hit";
    const words = { crit: `CRIT ${said}`, glance: `glance ${said}`, hit: said };
    this.pop(words[kind], { kind, step, dx });
    this.pop(n > 1 ? `×${n}, +${n} XP` : "+1 XP", { kind: "xp", step, dx: dx + 74, dy: 26 });
  }
}
