// The live connection: comes back by itself, asks for what it missed, and gives each event once.

import { LOGGED_OUT, leaveIfLoggedOut, toLogin } from "./logged_out.js";

const SILENCE_MS = 8000; // the server says something at least every 2 s
const MISSED_MS = 3000;

export const backoff = (attempt) => Math.min(1000 * 2 ** attempt, 8000);

export class BattleSocket {
  constructor({ url, since, onMessage, onLost, onOtherWorld }) {
    Object.assign(this, { url, seq: since, onMessage, onLost, onOtherWorld });
    this.attempt = 0;
    this.socket = null;
    this.timers = {};
  }

  connect() {
    clearTimeout(this.timers.retry);
    const socket = new WebSocket(`${this.url}?since=${this.seq}`);
    this.socket = socket;
    socket.addEventListener("message", ({ data }) => {
      if (socket === this.socket) this.take(JSON.parse(data));
    });
    let opened = false;
    socket.addEventListener("open", () => {
      opened = true;
    });
    socket.addEventListener("close", async ({ code }) => {
      if (socket !== this.socket) return;
      if (code === LOGGED_OUT) toLogin();
      else if (opened || !(await leaveIfLoggedOut())) this.lost();
    });
  }

  lost() {
    for (const name of ["silence", "missed"]) this.stop(name);
    this.socket = null;
    this.lostAt ??= Date.now();
    this.onLost();
    document.dispatchEvent(new Event("realm:lost"));
    this.timers.retry = setTimeout(() => this.connect(), backoff(this.attempt++));
  }

  reconnect() {
    const old = this.socket;
    this.lost();
    old?.close();
  }

  take(message) {
    this.attempt = 0;
    if (this.lostAt) this.back();
    document.dispatchEvent(new Event("realm:heard"));
    this.stop("silence");
    this.timers.silence = setTimeout(() => this.reconnect(), SILENCE_MS);
    if (message.type === "snapshot" && message.seq < this.seq) {
      this.onOtherWorld();
      return;
    }
    if (message.type === "event") {
      if (message.seq <= this.seq) return;
      this.seq = message.seq;
    }
    if (message.type === "gap") {
      if (message.to <= this.seq) return;
      this.seq = message.to;
    }
    this.lookForMissed(message);
    this.onMessage(message);
    if (message.type === "event") document.dispatchEvent(new CustomEvent("realm:event", { detail: message }));
  }

  back() {
    document.dispatchEvent(new CustomEvent("realm:back", { detail: { ms: Date.now() - this.lostAt } }));
    this.lostAt = undefined;
  }

  // `seq` of a snapshot or tick is the newest event there is; one that does not come soon was lost on the way.
  lookForMissed(message) {
    const newest = message.type === "event" ? message.seq : (message.seq ?? 0);
    this.newest = Math.max(newest, this.newest ?? 0);
    if (this.seq >= this.newest) this.stop("missed");
    else this.timers.missed ??= setTimeout(() => this.reconnect(), MISSED_MS);
  }

  stop(name) {
    clearTimeout(this.timers[name]);
    this.timers[name] = undefined;
  }
}
