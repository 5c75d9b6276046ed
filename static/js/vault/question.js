// What is asked before an order: the server's own words in a dialog. Without scripts the same is a page.

import { ask } from "../shared/logged_out.js";

export class Question {
  constructor(root, { chosen, give }) {
    Object.assign(this, { root, chosen, give });
    this.dialog = root.querySelector("#question");
  }

  listen() {
    this.root.addEventListener("click", (event) => this.clicked(event));
    this.root.addEventListener("submit", (event) => this.submitted(event));
  }

  clicked(event) {
    const asks = event.target.closest("[data-asks]");
    if (asks && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
      event.preventDefault();
      this.ask(asks.href ?? `${asks.dataset.asks}?${this.query()}`);
    }
    if (event.target.closest("#question [data-closes]")) {
      event.preventDefault();
      this.dialog.close();
    }
  }

  query() {
    return new URLSearchParams(this.chosen().map((key) => ["checkpoint", key]));
  }

  async ask(address) {
    const answer = await ask(address, { headers: { "HX-Request": "true" } }).catch(() => null);
    if (!answer) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    this.dialog.replaceChildren(...page.body.childNodes);
    for (const button of this.dialog.querySelectorAll("[data-copies]")) button.hidden = !navigator.clipboard;
    this.dialog.showModal();
    this.dialog.querySelector("[data-closes]")?.focus();
  }

  async submitted(event) {
    const form = event.target;
    if (!form.matches("[data-order]") || !this.dialog.contains(form)) return;
    event.preventDefault();
    this.dialog.close();
    await this.give(form, event.submitter);
  }
}
