// Short notices. Each is also said to screen readers and stands in the battle log.

const MILESTONE_MS = 6000;
const SAME_KIND_MS = 10000;
const MOST_VISIBLE = 4;

// Their messages are sentences that the server wrote.
const WORTH_A_TOAST = new Set([
  "quest_completed",
  "hero_level_up",
  "skill_level_up",
  "new_champion",
  "quest_held",
  "quest_released",
  "quest_retried",
  "quest_discarded",
]);
const URGENT = new Set([
  "checkpoint_refused",
  "checkpoint_failed",
  "battle_failed",
  "quest_refused",
  "fault",
  "disk_trouble",
  "trainer_died",
  "trainer_hung",
  "order_lost",
  "order_refused",
]);

// What is said of several at once, where the last one's own words would be untrue of the others.
const MANY = { quest_refused: "Quests were refused; the battle log says why" };

export class Toasts {
  constructor(root, lookOf) {
    this.region = root.querySelector("#toasts");
    this.polite = root.querySelector("#said-politely");
    this.urgent = root.querySelector("#said-at-once");
    this.lookOf = lookOf;
    this.visible = new Map();
    this.closedAt = new Map();
    this.queue = [];
  }

  announce(text, urgent = false) {
    (urgent ? this.urgent : this.polite).textContent = text;
  }

  forEvent(event) {
    if (WORTH_A_TOAST.has(event.kind) || URGENT.has(event.kind)) this.show(event.kind, event.message);
  }

  show(kind, text) {
    const urgent = URGENT.has(kind);
    const open = this.visible.get(kind);
    if (open) {
      open.again(MANY[kind] ?? text);
      if (urgent) this.announce(text, urgent);
    } else if (!urgent && performance.now() - (this.closedAt.get(kind) ?? -Infinity) < SAME_KIND_MS) {
      return;
    } else if (this.visible.size >= MOST_VISIBLE) {
      this.queue.push([kind, text]);
    } else {
      this.announce(text, urgent);
      this.open(kind, text, urgent);
    }
  }

  open(kind, text, urgent) {
    const { icon, tone } = this.lookOf(kind);
    const look = { icon, tone: urgent ? "blood" : tone };
    const toast = new Toast(text, look, urgent ? null : MILESTONE_MS, () => this.closed(kind));
    this.visible.set(kind, toast);
    this.region.append(toast.node);
  }

  closed(kind) {
    this.visible.delete(kind);
    this.closedAt.set(kind, performance.now());
    while (this.queue.length && this.visible.size < MOST_VISIBLE) this.show(...this.queue.shift());
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
