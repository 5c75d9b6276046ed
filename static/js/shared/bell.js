// The bell on each page: how many notices are unread, the last ones in a panel, and word outside the page if wanted.

import { ask } from "./logged_out.js";
import { countUnread as countInTitle } from "./title.js";
import { groupOf } from "./toasts.js";
import { send } from "./visits.js";

const LIST = "/bell";
const READ = "/bell/read";
const OUTSIDE = "realm-outside"; // groups of which the browser tells while no page is seen
const SOUND_HIDDEN = "realm-sound-hidden"; // read by sound.js
const FIRST_GROUPS = ["quests", "levels", "champions", "faults"];
const FRESH_SECONDS = 30;

const badge = document.querySelector("#unread");
let unread = badge && !badge.hidden ? Number.parseInt(badge.textContent, 10) : 0;

export function countUnread(count) {
  unread = count;
  countInTitle(count);
  if (!badge) return;
  badge.textContent = count > 99 ? "99+" : count;
  badge.hidden = !count;
}

class Bell {
  constructor(link, panel) {
    Object.assign(this, { link, panel });
    link.addEventListener("click", (event) => this.opened(event));
    panel.addEventListener("click", (event) => this.clicked(event));
    panel.addEventListener("submit", (event) => this.submitted(event));
    panel.addEventListener("change", () => this.choose());
    document.addEventListener("realm:event", ({ detail }) => this.heard(detail));
  }

  async opened(event) {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    if (this.panel.matches(":popover-open")) return this.panel.hidePopover();
    await this.load(LIST);
    this.panel.showPopover();
    this.panel.querySelector("button:not([disabled]), a")?.focus();
  }

  async load(url) {
    try {
      const answer = await ask(url, { headers: { "HX-Request": "true" } });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      this.panel.replaceChildren(...page.body.childNodes);
      this.offer();
    } catch {
      this.panel.textContent = "The notices did not arrive: the server does not answer.";
    }
  }

  async clicked(event) {
    const { target } = event;
    const filter = target.closest(".chips a");
    if (filter) {
      event.preventDefault();
      await this.load(filter.getAttribute("href"));
      this.panel.querySelector(".chips [aria-current]")?.focus();
    }
    const one = target.closest(".unread-one a")?.closest("li");
    if (one) send(READ, { seq: one.dataset.seq }); // goes on while the page leaves
    if (target.closest("#ask-browser")) this.askBrowser();
  }

  async submitted(event) {
    event.preventDefault();
    const answer = await send(READ).catch(() => null);
    if (!answer?.ok) return;
    countUnread((await answer.json()).unread);
    await this.load(this.panel.querySelector(".chips [aria-current]")?.getAttribute("href") ?? LIST);
  }

  heard({ kind, message, time }) {
    if (!groupOf(kind) || Date.now() / 1000 - time > FRESH_SECONDS) return;
    countUnread(unread + 1);
    if (document.hidden && wanted().includes(groupOf(kind))) tellOutside(kind, message);
  }

  // Permission is asked for by this button alone; then each group can be chosen.
  offer() {
    const state = window.Notification?.permission;
    const button = this.panel.querySelector("#ask-browser");
    const choice = this.panel.querySelector("#outside");
    if (button) button.hidden = state !== "default";
    if (!choice) return;
    choice.hidden = state !== "granted";
    for (const box of choice.querySelectorAll("[value]")) box.checked = wanted().includes(box.value);
    choice.querySelector("#sound-hidden").checked = localStorage.getItem(SOUND_HIDDEN) === "on";
  }

  async askBrowser() {
    await window.Notification.requestPermission();
    this.offer();
  }

  choose() {
    const chosen = [...this.panel.querySelectorAll("#outside [value]:checked")].map((box) => box.value);
    localStorage.setItem(OUTSIDE, chosen.join(" "));
    localStorage.setItem(SOUND_HIDDEN, this.panel.querySelector("#sound-hidden").checked ? "on" : "off");
  }
}

function wanted() {
  if (document.documentElement.dataset.notify === "off" || window.Notification?.permission !== "granted") return [];
  return (localStorage.getItem(OUTSIDE) ?? FIRST_GROUPS.join(" ")).split(" ");
}

function tellOutside(kind, message) {
  const notice = new window.Notification("Realm of Training", { body: message, tag: kind });
  notice.addEventListener("click", () => window.focus());
}

const [link, panel] = [document.querySelector("#bell"), document.querySelector("#bell-panel")];
if (link && panel?.showPopover) new Bell(link, panel);
countInTitle(unread);
