// Panels that the server draws: at most once a second each, and without taking the player's focus, ticks or open menus.

const EVERY_MS = 1000;
const TICKS = "input[name=quest], input[name=run], input[name=checkpoint]";

export class Panels {
  constructor(root) {
    this.root = root;
    this.drawnAt = new Map();
    this.waiting = new Map();
    this.paused = false;
    this.last = new Map();
    this.kept = new Map(); // by panel: several may be drawn at the same time
    root.body.addEventListener("htmx:beforeSwap", (event) => this.beforeSwap(event));
    root.body.addEventListener("htmx:afterSettle", (event) => this.afterSettle(event));
  }

  touch(...names) {
    for (const name of names) {
      if (this.waiting.has(name)) continue;
      const wait = Math.max(0, (this.drawnAt.get(name) ?? -Infinity) + EVERY_MS - performance.now());
      this.waiting.set(
        name,
        setTimeout(() => this.draw(name), Math.max(60, wait)),
      );
    }
  }

  draw(name) {
    this.waiting.delete(name);
    if (this.paused) return this.touch(name);
    this.drawnAt.set(name, performance.now());
    htmx.trigger(document.body, `realm:${name}`);
  }

  // Same words, no swap: most refreshes change nothing.
  beforeSwap(event) {
    const { target, serverResponse } = event.detail;
    if (target?.id === "board") this.last.clear();
    if (!target?.matches?.("[data-list], [data-panel], #summary, #quest")) return;
    const words = serverResponse.replace(/<time[^]*?<\/time>|name="csrfmiddlewaretoken" value="[^"]*"/g, "");
    if (
      this.last.get(target.id) === words &&
      target.isConnected &&
      !event.detail.requestConfig.triggeringEvent?.submitter
    ) {
      event.detail.shouldSwap = false;
      return;
    }
    if (this.paused) {
      event.detail.shouldSwap = false;
      this.touch(target.id);
      return;
    }
    this.last.set(target.id, words);
    this.kept.set(target.id, {
      focus: target.contains(document.activeElement) ? document.activeElement.id || document.activeElement.value : null,
      ticked: new Set([...target.querySelectorAll(TICKS)].filter((box) => box.checked).map((box) => box.value)),
      open: [...target.querySelectorAll("details[open]")].map((node) => node.id),
      scroll: target.querySelector(".cards")?.scrollTop ?? 0,
    });
  }

  afterSettle(event) {
    const panel = event.detail.elt;
    const kept = this.kept.get(panel.id);
    if (!kept || !panel.isConnected) return;
    this.kept.delete(panel.id);
    for (const id of kept.open) this.root.getElementById(id)?.setAttribute("open", "");
    for (const box of panel.querySelectorAll(TICKS)) box.checked = kept.ticked.has(box.value);
    const list = panel.querySelector(".cards");
    if (list) list.scrollTop = kept.scroll;
    if (kept.focus) this.focusOn(panel, kept.focus);
    this.root.dispatchEvent(new Event("realm:ticks"));
  }

  focusOn(panel, id) {
    const same = this.root.getElementById(id) ?? panel.querySelector(`input[value="${CSS.escape(id)}"]`);
    (same ?? panel.querySelector(".cards"))?.focus({ preventScroll: true });
  }
}
