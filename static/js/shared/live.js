// The live part that the pages about quests share: the socket, the pill, toasts.

import { Looks } from "./looks.js";
import { Renderer } from "./render.js";
import { BattleSocket } from "./socket.js";
import { Store } from "./store.js";
import { Toasts } from "./toasts.js";

const RENDER_MS = 500;
const FRESH_SECONDS = 30;

export class QuestLive {
  constructor(root, { onEvent, onState }) {
    Object.assign(this, { root, onEvent, onState });
    this.store = new Store();
    this.drawnIn = root.querySelector(".page")?.dataset.state; // the stance that the server drew the page in
    this.looks = new Looks(root, root.querySelector("#blank-icon").content);
    this.toasts = new Toasts(root, (kind) => this.looks.of(kind));
    this.renderer = new Renderer(root);
    root.body.addEventListener("htmx:load", () => this.renderer.forget());
  }

  start() {
    const address = new URL("/ws/battle/", location.href);
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    this.socket = new BattleSocket({
      url: address.href,
      since: Number(this.root.querySelector("#since").textContent),
      onMessage: (message) => this.take(message),
      onLost: () => {
        this.store.connection = "lost";
        this.render();
      },
      onOtherWorld: () => location.reload(),
    });
    this.socket.connect();
    setInterval(() => document.hidden || this.render(), RENDER_MS);
  }

  take(message) {
    const before = this.known ? this.store.stance : this.drawnIn;
    const battle = this.known && this.store.battle?.id;
    this.store.take(message);
    const isFirst = !this.known;
    this.known ||= message.type === "snapshot";
    const other = !isFirst && this.store.battle?.id !== battle; // events tell of those since the page was drawn
    if (this.known && before && (this.store.stance !== before || other)) this.onState();
    if (message.type === "event") this.takeEvent(message);
    if (this.known && this.store.tooLong) this.socket.reconnect();
    this.render();
  }

  takeEvent(event) {
    if (this.known && this.store.serverNow - event.time < FRESH_SECONDS) this.toasts.forEvent(event);
    this.onEvent(event);
  }

  render() {
    if (this.known) this.renderer.render(this.store);
  }

  get arenaRuns() {
    return this.known ? this.store.stance !== "offline" : true;
  }
}
