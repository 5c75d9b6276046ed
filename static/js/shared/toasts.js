// Short notices. Each is also said to screen readers and stands in the battle log.

const INFO_MS = 4000;
const MILESTONE_MS = 6000;
const SAME_KIND_MS = 10000;
const MOST_VISIBLE = 4;

// Their messages are sentences that the server wrote; tavern/bell/kinds.py keeps the same ones for the bell.
const GROUPS = {
  quests: [
    "quest_completed",
    "quest_held",
    "quest_released",
    "quest_retried",
    "quest_discarded",
    "quest_refused",
    "order_refused",
  ],
  levels: ["hero_level_up", "skill_level_up"],
  champions: ["new_champion", "achievement"],
  faults: [
    "checkpoint_refused",
    "checkpoint_failed",
    "battle_failed",
    "fault",
    "disk_trouble",
    "trainer_died",
    "trainer_hung",
    "machine_lost",
  ],
  services: [
    "service_restarted",
    "service_recovered",
    "service_stuck",
    "service_gave_up",
    "weaver_mended",
    "finding",
  ],
};
const GROUP_OF = new Map(Object.entries(GROUPS).flatMap(([group, kinds]) => kinds.map((kind) => [kind, group])));
const MILESTONES = new Set(["quest_completed", ...GROUPS.levels, ...GROUPS.champions]);
const URGENT = new Set([
  ...GROUPS.faults,
  "quest_refused",
  "order_refused",
  "service_stuck",
  "service_gave_up",
  "order_lost",
]);

// The group of what is a notice; undefined of all else.
export const groupOf = (kind) => GROUP_OF.get(kind);

// What the player left to the bell.
const isMuted = (kind) => document.documentElement.dataset.muted?.split(" ").includes(groupOf(kind));

// What is said of several at once, where the last one's own words would be untrue of the others.
const MANY = {
  quest_refused: "Quests were refused; the battle log says why",
  finding: "A patrol found several things; the patrol's page says what to do",
};

export class Toasts {
  constructor(root, lookOf) {
    this.region = root.querySelector("#toasts");
    this.polite = root.querySelector("#said-politely");
    this.urgent = root.querySelector("#said-at-once");
    this.lookOf = lookOf;
    this.visible = new Map(); // by kind and battle
    this.lastAt = new Map(); // by kind
    this.queue = [];
    // The report on return tells what was missed.
    document.addEventListener("realm:folded", () => this.fold());
  }

  announce(text, urgent = false) {
    (urgent ? this.urgent : this.polite).textContent = text;
  }

  forEvent({ kind, message, run }) {
    if (groupOf(kind) && !isMuted(kind)) this.show(kind, message, run ?? "");
  }

  show(kind, text, run = "") {
    const urgent = URGENT.has(kind);
    if (document.hidden && !urgent) return; // it stands in the bell
    const open = this.visible.get(`${kind}:${run}`);
    if (open) {
      open.again(MANY[kind] ?? text);
      if (urgent) this.announce(text, urgent);
    } else if (!urgent && performance.now() - (this.lastAt.get(kind) ?? -Infinity) < SAME_KIND_MS) {
      return;
    } else if (this.visible.size >= MOST_VISIBLE) {
      this.queue.push([kind, text, run]);
    } else {
      this.announce(text, urgent);
      this.open(kind, text, run);
    }
  }

  open(kind, text, run) {
    const { icon, tone } = this.lookOf(kind);
    const urgent = URGENT.has(kind);
    const look = { icon, tone: urgent ? "blood" : tone };
    const lasts = MILESTONES.has(kind) ? MILESTONE_MS : INFO_MS;
    const toast = new Toast(text, look, urgent ? null : lasts, () => this.closed(kind, run));
    this.visible.set(`${kind}:${run}`, toast);
    this.lastAt.set(kind, performance.now());
    this.region.append(toast.node);
  }

  closed(kind, run) {
    this.visible.delete(`${kind}:${run}`);
    this.lastAt.set(kind, performance.now());
    while (this.queue.length && this.visible.size < MOST_VISIBLE) this.show(...this.queue.shift());
  }

  fold() {
    this.queue = [];
    for (const toast of [...this.visible.values()]) toast.close();
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
