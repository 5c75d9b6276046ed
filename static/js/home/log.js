// The battle log: rows are clones of the server's own row.

import { whole } from "../shared/format.js";
import { Looks } from "../shared/looks.js";

const MOST_ROWS = 200;

export class BattleLog {
  constructor(root) {
    this.list = root.querySelector("#entries");
    this.blank = root.querySelector("#entry").content.querySelector("li");
    this.looks = new Looks(root, this.blank);
  }

  lookOf(kind, accuracy) {
    return this.looks.of(kind, accuracy);
  }

  add({ seq, kind, step, message, time, data }) {
    const row = this.blank.cloneNode(true);
    const { icon, tone } = this.lookOf(kind, data?.accuracy);
    row.dataset.seq = seq;
    row.className = `entry tone-${tone}`;
    row.title = `${new Date(time * 1000).toISOString().slice(0, 19).replace("T", " ")} UTC`;
    row.querySelector(".at").textContent = step ? whole(step) : ""; // what the daemon says of itself has no step
    row.querySelector("use").setAttribute("href", icon);
    row.querySelector(".what").textContent = data?.branch ? `Branch ${data.branch} · ${message}` : message;
    this.list.prepend(row);
    while (this.list.childElementCount > MOST_ROWS) this.list.lastElementChild.remove();
  }

  addGap({ from, to }, time) {
    const message = `Entries ${whole(from)} to ${whole(to)} are no longer kept and can not be shown.`;
    this.add({ seq: to, kind: "bad_line", step: null, message, time });
  }
}
