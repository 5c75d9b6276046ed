// The battle log: rows are clones of the server's own. What a checkpoint brought is one row, and so are floods of one
// kind; tavern/log_groups.py does the same for what stood there before.

import { whole } from "../shared/format.js";
import { Looks } from "../shared/looks.js";
import { LocalTimes } from "../watchtower/local_times.js";

const MOST_ROWS = 200;
const MOST_IN_A_ROW = 50;
const STORED = "realm-log-topic";
const RANK = ["plain", "sky", "gold", "moss", "arcane", "ember", "blood"];

const isOfCheckpoint = (group) => group.startsWith("checkpoint ");

export class BattleLog {
  constructor(root) {
    this.list = root.querySelector("#entries");
    this.blank = root.querySelector("#entry").content.querySelector("li");
    this.group = root.querySelector("#group").content.querySelector("li");
    this.looks = new Looks(root, this.blank);
    this.times = new LocalTimes(root);
    this.times.write(this.list);
    this.filterBy(root.querySelector("#log-topic"), root.querySelector("#log"));
  }

  filterBy(select, panel) {
    select.hidden = false;
    select.value = localStorage.getItem(STORED) ?? "";
    if (select.selectedIndex < 0) select.value = "";
    const show = () => {
      panel.dataset.topic = select.value;
      localStorage.setItem(STORED, select.value);
    };
    select.addEventListener("change", show);
    show();
  }

  lookOf(kind, accuracy) {
    return this.looks.of(kind, accuracy);
  }

  add(event) {
    const row = this.rowOf(event);
    const { group = "" } = event;
    const known = group && this.find(group);
    if (known) this.join(known, row);
    else this.list.prepend(row);
    this.times.write(known ? known.closest("li") : row);
    while (this.list.childElementCount > MOST_ROWS) this.list.lastElementChild.remove();
  }

  rowOf({ seq, kind, step, message, time, data, topic = "", group = "", brief = "", hint = "" }) {
    const row = this.blank.cloneNode(true);
    const { icon, tone } = this.lookOf(kind, data?.accuracy);
    const moment = new Date(time * 1000).toISOString();
    const when = `${moment.slice(0, 19).replace("T", " ")} UTC`;
    Object.assign(row.dataset, { seq, kind, tone, topic, group, brief });
    row.id = `entry-${seq}`;
    row.className = `entry tone-${tone}`;
    row.title = hint ? `${hint} (${when})` : when;
    row.querySelector(".at").textContent = step ? whole(step) : ""; // what the daemon says of itself has no step
    row.querySelector("use").setAttribute("href", icon);
    row.querySelector(".what").textContent = data?.branch ? `Branch ${data.branch} · ${message}` : message;
    row.querySelector("time").dateTime = moment;
    return row;
  }

  // Only what follows itself at once is a flood.
  find(group) {
    if (!isOfCheckpoint(group)) {
      const first = this.list.firstElementChild;
      return first?.dataset.group === group ? first : null;
    }
    return this.list.querySelector(`:scope > [data-group="${CSS.escape(group)}"]`);
  }

  join(known, row) {
    let group = known;
    if (known.classList.contains("entry")) {
      group = this.group.cloneNode(true);
      group.dataset.group = known.dataset.group;
      group.dataset.topic = known.dataset.topic;
      group.dataset.count = 1;
      known.replaceWith(group);
      group.querySelector("ol").replaceChildren(known);
    }
    const inner = group.querySelector("ol");
    group.dataset.count = Number(group.dataset.count ?? inner.childElementCount) + 1;
    inner.prepend(row);
    while (inner.childElementCount > MOST_IN_A_ROW) inner.lastElementChild.remove();
    this.sumUp(group, row, [...inner.children]);
  }

  sumUp(group, newest, rows) {
    const line = group.querySelector("summary");
    const ofCheckpoint = isOfCheckpoint(group.dataset.group);
    const said = rows.map((row) => row.dataset.brief).filter(Boolean);
    const saved = rows.some((row) => row.dataset.kind === "checkpoint_saved");
    const step = newest.querySelector(".at").textContent;
    line.querySelector("b").textContent = ofCheckpoint
      ? `${saved ? "Checkpoint" : "Step"} ${step}`
      : newest.querySelector(".what").textContent;
    line.querySelector(".briefs").textContent = ofCheckpoint && said.length ? `: ${said.reverse().join(", ")}` : "";
    line.querySelector(".times").textContent = ofCheckpoint ? "" : `×${whole(Number(group.dataset.count))}`;
    line.querySelector(".at").textContent = step;
    line.querySelector("time").dateTime = newest.querySelector("time").dateTime;
    const chest = this.lookOf("checkpoint_saved").icon;
    const icon = ofCheckpoint ? chest : newest.querySelector("use").getAttribute("href");
    line.querySelector("use").setAttribute("href", icon);
    const rank = Math.max(...rows.map((row) => RANK.indexOf(row.dataset.tone)));
    group.className = `group tone-${RANK[rank]}`;
  }

  addGap({ from, to }, time) {
    const message = `Entries ${whole(from)} to ${whole(to)} are no longer kept and can not be shown.`;
    this.add({ seq: to, kind: "bad_line", step: null, message, time });
  }
}
