// Short notices. Each is also said to screen readers and stands in the battle log.

import { loss, whole } from "./format.js";

const MILESTONE_MS = 6000;
const MOST_VISIBLE = 4;

const WORTH_A_TOAST = {
  quest_completed: ({ message, data }) => `Quest complete! ${message}${data.gold ? `, +${whole(data.gold)} gold` : ""}`,
  hero_level_up: ({ data, message }) => (data.level ? `Level up! The hero is level ${whole(data.level)}` : message),
  skill_level_up: ({ message }) => message,
  new_champion: ({ data, message }) =>
    data.previous ? `New champion! ${data.name}: val ${loss(data.val_loss)} < ${loss(data.previous)}` : message,
  checkpoint_refused: ({ message }) => message,
  battle_failed: ({ message }) => message,
  quest_refused: ({ message }) => message,
  trainer_died: ({ message }) => message,
};
const URGENT = new Set(["checkpoint_refused", "battle_failed", "quest_refused", "trainer_died"]);

export class Toasts {
  constructor(root, lookOf) {
    this.region = root.querySelector("#toasts");
    this.polite = root.querySelector("#said-politely");
    this.urgent = root.querySelector("#said-at-once");
    this.lookOf = lookOf;
    this.visible = new Map();
    this.queue = [];
  }

  announce(text, urgent = false) {
    (urgent ? this.urgent : this.polite).textContent = text;
  }

  forEvent(event) {
    const say = WORTH_A_TOAST[event.kind];
    if (say) this.show(event.kind, say(event), URGENT.has(event.kind));
  }

  show(kind, text, urgent = false) {
    this.announce(text, urgent);
    const open = this.visible.get(kind);
    if (open) {
      open.again(text);
    } else if (this.visible.size >= MOST_VISIBLE) {
      this.queue.push([kind, text, urgent]);
    } else {
      this.open(kind, text, urgent);
    }
  }

  open(kind, text, urgent) {
    const toast = new Toast(text, this.lookOf(kind), urgent ? null : MILESTONE_MS, () => this.closed(kind));
    this.visible.set(kind, toast);
    this.region.append(toast.node);
  }

  closed(kind) {
    this.visible.delete(kind);
    const next = this.queue.shift();
    if (next) this.show(...next);
  }
}

class Toast {
  constructor(text, { icon, tone }, milliseconds, onClose) {
    Object.assign(this, { milliseconds, onClose, times: 1 });
    this.node = document.createElement("div");
    this.node.className = `toast tone-${tone}`;
    this.text = document.createElement("p");
    this.text.textContent = text;
    const close = document.createElement("button");
    close.type = "button";
    close.textContent = "×";
    close.setAttribute("aria-label", "Close");
    close.addEventListener("click", () => this.close());
    this.node.append(picture(icon), this.text, close);
    for (const event of ["pointerenter", "focusin"]) this.node.addEventListener(event, () => clearTimeout(this.timer));
    for (const event of ["pointerleave", "focusout"]) this.node.addEventListener(event, () => this.startTimer());
    this.startTimer();
  }

  again(text) {
    this.times += 1;
    this.text.textContent = `${text} ×${this.times}`;
    this.startTimer();
  }

  startTimer() {
    clearTimeout(this.timer);
    if (this.milliseconds) this.timer = setTimeout(() => this.close(), this.milliseconds);
  }

  close() {
    clearTimeout(this.timer);
    this.node.remove();
    this.onClose();
  }
}

function picture(href) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("viewBox", "0 0 512 512");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", href);
  svg.append(use);
  return svg;
}
