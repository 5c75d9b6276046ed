// The log: filters without leaving the page, lines as they are written, older ones on demand. A reader who has scrolled
// up, or chosen to stand still, is left where they are.

import { ask } from "../shared/logged_out.js";
import { Sparing } from "../shared/sparing.js";

const POLL_MS = 1000;
const TYPING_MS = 300;
const MOST_LINES = 2000;
const NEAR_PX = 40;

export class Log {
  constructor(root, { onLines, awayMs }) {
    this.sparing = new Sparing(root, { each: () => this.newer(), all: () => this.newer(), awayMs });
    Object.assign(this, { root, onLines, follows: true, asked: 0 });
    this.form = root.querySelector("#log-filter");
    this.button = root.querySelector("#follow");
    this.button.hidden = false;
    this.button.addEventListener("click", () => this.setFollows(!this.follows));
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.filter();
    });
    this.form.addEventListener("change", () => this.filter());
    this.form.addEventListener("input", () => {
      clearTimeout(this.typing);
      this.typing = setTimeout(() => this.filter(), TYPING_MS);
    });
    root.addEventListener("click", (event) => event.target.closest("#older") && this.older());
  }

  start() {
    this.toEnd();
    this.showOlder();
    if (this.query.toString() !== this.form.dataset.query) this.filter(); // chosen before this script ran
    setInterval(() => this.follows && !document.hidden && this.sparing.want("lines"), POLL_MS);
  }

  get view() {
    return this.root.querySelector("#log-view");
  }

  get lines() {
    return this.root.querySelector("#lines");
  }

  get box() {
    return this.lines.parentElement;
  }

  get query() {
    const query = new URLSearchParams(new FormData(this.form));
    for (const [name, value] of [...query]) if (!value) query.delete(name);
    return query;
  }

  setFollows(follows) {
    this.follows = follows;
    this.button.setAttribute("aria-pressed", String(follows));
    this.button.textContent = follows ? "Following" : "Paused";
    if (follows) this.newer();
  }

  async filter() {
    clearTimeout(this.typing);
    const { query } = this;
    const address = new URL(location.href);
    for (const name of ["service", "level", "text"]) address.searchParams.delete(name);
    for (const [name, value] of query) address.searchParams.set(name, value);
    history.replaceState(null, "", address);
    const number = ++this.asked;
    const found = await this.fetch(query);
    if (!found || number !== this.asked) return;
    this.view.replaceWith(found);
    this.onLines(found);
    this.toEnd();
    this.showOlder();
  }

  // One request at a time; what a filter has replaced meanwhile is thrown away.
  async newer() {
    if (this.busy) return;
    this.busy = true;
    const number = this.asked;
    try {
      const query = this.query;
      query.set("after", this.view.dataset.after);
      const found = await this.fetch(query);
      if (!found || number !== this.asked) return;
      const { box, lines } = this;
      const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_PX;
      this.view.dataset.after = found.dataset.after;
      this.put(found, (fresh) => lines.append(...fresh));
      if (!atEnd) return;
      while (lines.children.length > MOST_LINES) lines.firstElementChild.remove();
      this.toEnd();
    } finally {
      this.busy = false;
    }
  }

  async older() {
    const number = this.asked;
    const query = this.query;
    query.set("before", this.view.dataset.older);
    const found = await this.fetch(query);
    if (!found || number !== this.asked) return;
    const { box, lines } = this;
    const fromEnd = box.scrollHeight - box.scrollTop;
    this.view.dataset.older = found.dataset.older;
    this.put(found, (fresh) => lines.prepend(...fresh));
    box.scrollTop = box.scrollHeight - fromEnd;
    this.showOlder();
  }

  // A line that came while the server looked may be told twice.
  put(found, place) {
    const known = new Set([...this.lines.children].map((line) => line.dataset.key));
    const fresh = [...found.querySelectorAll("#lines > li")].filter((line) => !known.has(line.dataset.key));
    for (const line of fresh) this.onLines(line);
    place(fresh);
    if (fresh.length) this.view.querySelector(".no-lines").hidden = true;
  }

  async fetch(query) {
    try {
      const response = await ask(`/watchtower/logs?${query}`);
      if (!response.ok) return null;
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      return page.querySelector("#log-view");
    } catch {
      return null; // the pill tells that the server is gone; the next poll tries again
    }
  }

  showOlder() {
    this.root.querySelector("#older").hidden = this.view.dataset.older === "{}";
  }

  toEnd() {
    this.box.scrollTop = this.box.scrollHeight;
  }
}
