// The report on return: when the page opens, is seen again after five minutes, or hears the server after one.
// While it is on its way it lies over the page, so that no click acts before one knows what happened.

import { countUnread } from "./bell.js";
import { send } from "./visits.js";

const HIDDEN_MS = 5 * 60000;
const LOST_MS = 60000;
const LOOKING_MS = 120000;
const REPORT = "/away/report";
const ROWS = "/away/rows";
const NOTHING_TO_TELL = 204;
const LOADING = "Looking at what happened…";
const FAILED = "The report did not arrive. The battle log tells what happened.";

class Away {
  constructor(dialog) {
    this.dialog = dialog;
    this.place = dialog.querySelector("#away-report");
    this.lookedAt = Date.now();
    this.seenAt = ""; // the same by the server's clock
    dialog.addEventListener("click", (event) => this.clicked(event));
    dialog.addEventListener("submit", (event) => event.preventDefault());
    document.addEventListener("visibilitychange", () => this.turned());
    document.addEventListener("realm:back", ({ detail }) => detail.ms >= LOST_MS && this.open({ hidden: true }));
    setInterval(() => document.hidden || this.look(), LOOKING_MS);
  }

  begin() {
    const { due } = this.dialog.dataset;
    if (due) this.open({ since: due });
    else this.look();
  }

  turned() {
    if (document.hidden) this.note();
    else this.look();
  }

  // A machine that slept ran no timer: the time since is what counts.
  look() {
    if (Date.now() - this.lookedAt >= HIDDEN_MS) this.open({ hidden: true });
    else this.note();
  }

  async note() {
    this.lookedAt = Date.now();
    try {
      const answer = await send("/away/seen");
      if (answer.ok) this.noted(await answer.json());
    } catch {
      // The server is away; it is told once it is back.
    }
  }

  noted({ unread, seen_at: seenAt }) {
    this.seenAt = seenAt;
    countUnread(unread);
  }

  // `hidden`: this page was, so that another one may have been looked at; then there is nothing to tell.
  async open({ since = this.seenAt, hidden = false }) {
    if (this.dialog.open) return;
    this.lookedAt = Date.now();
    this.place.textContent = LOADING;
    this.dialog.showModal();
    document.dispatchEvent(new Event("realm:folded"));
    try {
      const answer = await send(REPORT, { since, ...(hidden && { hidden: "yes" }) });
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      if (answer.status === NOTHING_TO_TELL) this.dialog.close();
      else this.fill(await answer.text());
      this.note();
    } catch {
      this.place.textContent = FAILED;
    }
  }

  fill(html) {
    const page = new DOMParser().parseFromString(html, "text/html");
    this.place.replaceChildren(...page.body.childNodes);
    document.dispatchEvent(new CustomEvent("realm:moment", { detail: { kind: "away" } }));
  }

  clicked({ target }) {
    const row = target.closest("button[name=row]");
    if (row) this.hide(row);
    else if (target.closest("button[value=close]")) this.dialog.close();
  }

  // For good; the page of reports shows it again.
  async hide(button) {
    const { value } = button;
    const answer = await send(ROWS, { row: value }).catch(() => null);
    if (answer?.ok) this.place.querySelector(`[data-row="${value}"]`)?.remove();
  }
}

const dialog = document.querySelector("#away");
if (dialog) new Away(dialog).begin();
