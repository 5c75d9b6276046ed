// Orders of the player: sent without leaving the page, confirmed where they cannot be taken back.

import { ask } from "./logged_out.js";

const LOST = "The order did not reach the server: nothing was changed. Try again when the page is live";

export class Orders {
  constructor(root, { live, onGiven }) {
    Object.assign(this, { root, live, onGiven, sending: Promise.resolve() });
    this.form = root.querySelector("#orders");
    this.form.addEventListener("submit", (event) => this.submitted(event));
  }

  async submitted(event) {
    const { submitter } = event;
    if (event.defaultPrevented || !submitter) return;
    event.preventDefault();
    if (submitter.dataset.confirm && !(await this.confirmed(submitter))) return;
    const data = new FormData(this.form, submitter);
    // An order for one quest is none for those that are ticked; one for a whole list needs no ticks.
    if (submitter.value.includes(" ")) data.delete("all_of");
    if (submitter.value.includes(" ") || data.has("all_of")) data.delete("quest");
    await this.send(data);
  }

  // Also for what is moved by hand: `{do, priority, before}`.
  async give(values) {
    const data = new FormData();
    data.set("csrfmiddlewaretoken", this.form.elements.csrfmiddlewaretoken.value);
    for (const [name, value] of Object.entries(values)) data.set(name, value);
    return this.send(data, { quiet: true });
  }

  // One after the other: the server takes requests side by side, and the arena obeys in the order in which they came.
  send(data, options = {}) {
    this.sending = this.sending.then(() => this.sendNow(data, options));
    return this.sending;
  }

  async sendNow(data, { quiet = false }) {
    try {
      const answer = await post(this.form.action, data);
      if (!quiet || answer.urgent) this.tell(answer);
      this.onGiven(answer);
      return answer.ok;
    } catch {
      this.live.toasts.show("order_lost", LOST);
      return false;
    }
  }

  tell({ text, urgent, node }) {
    const place = this.root.querySelector("#notices");
    place.replaceChildren(node);
    this.live.toasts.announce(text, urgent);
    clearTimeout(this.timer);
    const long = urgent || node.querySelector("button"); // what can be undone is offered longer
    this.timer = setTimeout(() => node.remove(), long ? 20000 : 8000);
  }

  confirmed(button) {
    const dialog = this.root.getElementById(button.dataset.confirm);
    const many = this.root.querySelector("[data-chosen]")?.textContent;
    dialog.querySelector("[data-whom]").textContent =
      button.dataset.whom ?? (many === "1" ? "the chosen quest" : `${many} quests`);
    const number = button.dataset.whom || many === "1" ? "one" : "many";
    for (const node of dialog.querySelectorAll("[data-many]")) node.textContent = node.dataset[number];
    dialog.returnValue = "";
    dialog.showModal();
    return new Promise((resolve) =>
      dialog.addEventListener("close", () => resolve(dialog.returnValue === "go"), { once: true }),
    );
  }
}

// The server's answer is one paragraph, the notice.
export async function post(url, data) {
  const response = await ask(url, { method: "POST", body: data, headers: { "HX-Request": "true" } });
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const node = page.querySelector(".notice");
  if (!node) throw new Error(`status ${response.status}`);
  return { ok: response.ok, node, text: node.textContent, urgent: "urgent" in node.dataset };
}

export function openDialogs(root) {
  for (const opener of root.querySelectorAll("[data-opens]")) {
    opener.addEventListener("click", () => root.getElementById(opener.dataset.opens).showModal());
  }
  // One that the server has opened, so that it works without scripts.
  for (const dialog of root.querySelectorAll("dialog[open]")) {
    dialog.close();
    dialog.showModal();
  }
  for (const closer of root.querySelectorAll("[data-closes]")) {
    closer.addEventListener("click", () => closer.closest("dialog").close());
  }
}
