// The loss of the whole battle, drawn once; a line over it walks with the step that is played.

import { compact, distinct, loss, whole } from "../shared/format.js";
import { ask } from "../shared/logged_out.js";

const POINTS = 1000;
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

export class Curve {
  constructor(node, { battle }) {
    this.node = node;
    this.line = document.createElement("div");
    this.line.className = "now";
    this.step = null;
    this.draw(`/api/training/runs/${encodeURIComponent(battle)}/curves.json?points=${POINTS}`);
  }

  async draw(address) {
    const answer = await ask(address);
    if (!answer.ok) return;
    const { columns, rows } = await answer.json();
    const column = (name) => rows.map((row) => row[columns.indexOf(name)]);
    const axis = { stroke: colour("text-dim"), font: '11px "Inter Variable", sans-serif', ticks: { show: false } };
    const grid = { stroke: colour("line"), width: 1, dash: [2, 4] };
    const size = () => ({ width: Math.max(60, this.node.clientWidth), height: Math.max(60, this.node.clientHeight) });
    this.plot = new uPlot(
      {
        ...size(),
        legend: { show: false },
        cursor: { show: false },
        padding: [8, 10, 0, 0],
        scales: { x: { time: false } },
        axes: [
          { ...axis, size: 24, grid: { show: false }, values: (_, splits) => distinct(splits, compact, whole) },
          { ...axis, size: 52, grid, values: (_, splits) => distinct(splits, loss) },
        ],
        series: [{}, { stroke: colour("ember"), width: 1.5, points: { show: false } }],
      },
      [column("step"), column("loss")],
      this.node,
    );
    this.plot.over.append(this.line);
    new ResizeObserver(() => {
      this.plot.setSize(size());
      if (this.step !== null) this.follow(this.step);
    }).observe(this.node);
    if (this.step !== null) this.follow(this.step);
  }

  follow(step) {
    this.step = step;
    if (this.plot) this.line.style.transform = `translateX(${this.plot.valToPos(step, "x")}px)`;
  }
}
