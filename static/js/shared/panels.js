// Panels that the server draws: at most once a second each while somebody is there, else together twice a minute; and
// without taking the player's focus, ticks or open menus.

import { Sparing } from "./sparing.js";
import { drawnAnew } from "./whole_page.js";

const EVERY_MS = 1000;
const TICKS = "input[name=quest], input[name=run], input[name=checkpoint], input[name=battle]";

const wordsOf = (html) => html.replace(/<time[^]*?<\/time>|name="csrfmiddlewaretoken" value="[^"]*"/g, "");

export class Panels {
  constructor(root, { awayMs } = {}) {
    this.root = root;
    this.drawnAt = new Map();
    this.waiting = new Map();
    this.paused = false;
    this.last = new Map();
    this.kept = new Map(); // by panel: several may be drawn at the same time
    const all = (names) => !this.paused && this.drawTogether(names);
    this.sparing = new Sparing(root, { each: (name) => this.soon(name), all, awayMs });
    root.body.addEventListener("htmx:beforeSwap", (event) => this.beforeSwap(event));
    root.body.addEventListener("htmx:afterSettle", (event) => this.afterSettle(event));
  }

  touch(...names) {
    this.sparing.want(...names);
  }

  soon(name) {
    if (this.waiting.has(name)) return;
    const wait = Math.max(0, (this.drawnAt.get(name) ?? -Infinity) + EVERY_MS - performance.now());
    this.waiting.set(
      name,
      setTimeout(() => this.draw(name), Math.max(60, wait)),
    );
  }

  async drawTogether(names) {
    if (names.length === 1) return this.draw(names[0]);
    const asked = this.address(names).href;
    const parts = await drawnAnew(names, asked);
    if (this.address(names).href !== asked) return this.touch(...names); // something else is looked at by now
    for (const fresh of parts) {
      const drawn = this.root.getElementById(fresh.id);
      if (!drawn || this.paused) continue;
      this.exchange(drawn, fresh);
      this.root.body.dispatchEvent(new CustomEvent("realm:drawn", { detail: { panel: fresh.id } }));
    }
  }

  // The page's own, with what its panels show by now: the page of a list, what is searched for.
  address(names) {
    const address = new URL(location.href);
    for (const panel of names.map((name) => this.root.getElementById(name)).filter(Boolean)) {
      const own = new URL(panel.getAttribute("hx-get") ?? "", location.href).searchParams;
      const { list } = panel.dataset;
      for (const [name, value] of own) address.searchParams.set(list && name === "page" ? list : name, value);
    }
    return address;
  }

  exchange(drawn, fresh) {
    const words = wordsOf(fresh.outerHTML);
    if (this.last.get(drawn.id) === words) return;
    this.last.set(drawn.id, words);
    this.keep(drawn);
    drawn.replaceWith(fresh);
    htmx.process(fresh);
    this.afterSettle({ detail: { elt: fresh } });
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
    const words = wordsOf(serverResponse);
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
    this.keep(target);
  }

  keep(target) {
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
