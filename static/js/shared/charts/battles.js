// The curves of battles that the page names (templates/tavern/shared/charts/board.html), fetched by their ids.

import { whole } from "../format.js";
import { Board } from "./board.js";
import { KINDS } from "./kinds.js";
import { fetchCurve, runOf } from "./run.js";

const LOOK_MS = 10_000; // while the battle is fought and somebody looks
const ROWS = 20;
const TOKENS = ["gold", "moss", "arcane", "blood"];

const named = (set, at) => ({
  key: `${set.set} ${set.sha256}`,
  label: set.rows === null ? set.set : `${set.set}, ${whole(set.rows)} rows`,
  token: /^(taught|validation)$/.test(set.set) ? "sky" : TOKENS[at % TOKENS.length],
  current: true,
  points: set.points,
});

class BattleBoard {
  constructor(root) {
    this.root = root;
    this.ids = [root.dataset.board, ...(root.dataset.others ?? "").split(" ").filter(Boolean)];
    this.curves = new Map();
    this.board = new Board(root, {
      sprite: root.dataset.sprite,
      href: (name) => `/vault/${this.curves.get(this.ids[0]).hero}/${name}`,
      about: (kind, x, index) => this.about(kind, index),
    });
    for (const details of root.querySelectorAll("details")) details.addEventListener("toggle", () => this.fillTables());
  }

  async look() {
    const due = this.ids.filter((id) => (this.curves.get(id)?.state ?? "training") === "training");
    const found = await Promise.all(due.map((id) => fetchCurve(id).catch(() => null)));
    due.forEach((id, at) => found[at] && this.curves.set(id, found[at]));
    if (this.curves.get(this.ids[0])) this.show();
  }

  show() {
    const [main, ...others] = this.ids.map((id) => this.curves.get(id)).filter(Boolean);
    const { run, validation, marks } = runOf(main, { own: true });
    this.run = run;
    const runs = [run, ...others.map((curve) => runOf(curve, { own: true }).run)];
    const sets = validation.filter(({ points }) => points.length);
    this.board.show({ runs, validation: sets.map(named), accuracy: run.accuracy, marks });
    this.fillTables();
  }

  about(kind, index) {
    const asked = kind === "accuracy" && this.run.accuracy[index];
    return asked ? [asked.slice(2).join(" level ")] : [];
  }

  fillTables() {
    if (!this.run) return;
    for (const table of this.root.querySelectorAll("details[open] [data-rows]")) fill(table.tBodies[0], this.rows(table.dataset.rows));
  }

  rows(name) {
    const kind = KINDS[name];
    const column = name === "accuracy" ? [] : kind.of(this.run);
    const points = name === "accuracy" ? this.run.accuracy : this.run.step.map((step, at) => [step, column[at]]);
    return points
      .slice(-ROWS)
      .reverse()
      .map(([step, value]) => [whole(step), kind.say(value)]);
  }

  get over() {
    return this.ids.every((id) => this.curves.has(id) && this.curves.get(id).state !== "training");
  }
}

function fill(body, rows) {
  body.replaceChildren(
    ...rows.map((texts) => {
      const row = document.createElement("tr");
      for (const text of texts) row.insertCell().textContent = text;
      return row;
    }),
  );
}

for (const root of document.querySelectorAll("[data-board]")) {
  const board = new BattleBoard(root);
  board.look();
  setInterval(() => document.hidden || board.over || board.look(), LOOK_MS);
}
