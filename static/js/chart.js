// Loss, accuracy and learning rate by step (uPlot).

import { compact, loss, percent, scientific, whole } from "./format.js";

const SMOOTHING = 0.6;
const sync = uPlot.sync("step");
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const short = (value) => String(Number(value.toPrecision(3)));
const faint = (hex) => `${hex}48`; // 28 %

// EMA with bias correction; what is not finite is left out of it and stays a gap.
export function smoothed(values, decay = SMOOTHING) {
  let last = 0;
  let weight = 1;
  return values.map((value) => {
    if (!Number.isFinite(value)) return null;
    last = last * decay + (1 - decay) * value;
    weight *= decay;
    return last / (1 - weight);
  });
}

export function lossData({ curve, validation }) {
  const training = [curve.step, curve.loss, smoothed(curve.loss)];
  if (!validation.length) return [...training, curve.step.map(() => undefined)];
  return uPlot.join([training, [validation.map(([step]) => step), validation.map(([, value]) => value)]]);
}

function axes(format, size) {
  const common = { stroke: colour("text-dim"), font: '11px "Inter Variable", sans-serif', ticks: { show: false } };
  const grid = { stroke: colour("line"), width: 1, dash: [2, 4] };
  return [
    { ...common, size: 24, gap: 2, grid: { show: false }, space: 70, values: (_, splits) => splits.map((step) => (Number.isInteger(step) ? compact(step) : "")) },
    { ...common, size, gap: 4, grid, space: 36, values: (_, splits) => splits.map(format) },
  ];
}

// The nearest value at or before `index`; a validation holds until the next one.
function valueAt(column, index) {
  for (let at = index; at >= 0; at--) if (Number.isFinite(column[at])) return column[at];
  return null;
}

function tooltip(lines) {
  const tip = document.createElement("div");
  tip.className = "tip";
  return {
    hooks: {
      init: (chart) => chart.over.append(tip),
      setCursor: (chart) => {
        const { idx, left } = chart.cursor;
        const shown = idx !== null && idx !== undefined && left >= 0;
        tip.style.display = shown ? "block" : "none";
        if (!shown) return;
        tip.replaceChildren(...textLines(chart.data, idx, lines));
        const room = chart.over.clientWidth - tip.offsetWidth - 4;
        tip.style.left = `${Math.max(0, left + 14 > room ? Math.min(room, left - tip.offsetWidth - 14) : left + 14)}px`;
      },
    },
  };
}

function textLines(data, index, lines) {
  const head = document.createElement("b");
  head.textContent = `step ${whole(data[0][index])}`;
  return [
    head,
    ...lines.map(([tone, say]) => {
      const line = document.createElement("span");
      line.className = `t-${tone}`;
      line.textContent = say(data, index);
      return line;
    }),
  ];
}

class Chart {
  constructor(node, options, onZoom = () => {}) {
    this.node = node;
    this.zoomed = false;
    this.onZoom = onZoom;
    const zoom = (chart) => {
      if (chart.select.width > 0) this.setZoomed(true);
    };
    this.plot = new uPlot(
      {
        ...this.size(),
        legend: { show: false },
        padding: [8, 10, 0, 0],
        cursor: { points: { size: 6 }, y: false, drag: { x: true, y: false }, ...options.cursor },
        ...options,
        hooks: { setSelect: [zoom] },
      },
      options.series.map(() => []),
      node,
    );
    this.plot.over.addEventListener("dblclick", () => this.follow());
    new ResizeObserver(() => this.plot.setSize(this.size())).observe(node);
  }

  size() {
    return { width: Math.max(60, this.node.clientWidth), height: Math.max(60, this.node.clientHeight) };
  }

  setZoomed(zoomed) {
    this.zoomed = zoomed;
    this.onZoom(this);
  }

  show(data) {
    this.node.toggleAttribute("data-empty", !data[0].length);
    if (!data[0].length) this.node.dataset.empty = "Nothing measured yet";
    this.plot.setData(data, !this.zoomed);
  }

  follow() {
    this.setZoomed(false);
    this.plot.setData(this.plot.data, true);
  }
}

const stepScale = { time: false, range: (_, low, high) => (low === high ? [low - 1, high + 1] : [low, high]) };
const synced = { sync: { key: sync.key, scales: ["x", null] } };

export class Charts {
  constructor(root) {
    const at = (name) => root.querySelector(`[data-plot=${name}]`);
    this.range = root.querySelector("#range");
    this.button = root.querySelector("#follow");
    this.loss = new Chart(at("loss"), lossOptions(), (chart) => this.sayRange(chart));
    this.rate = new Chart(at("rate"), lineOptions("arcane", scientific, scientific, synced));
    this.accuracy = new Chart(at("accuracy"), lineOptions("moss", percent, (value) => `${Math.round(value * 100)}%`, {}, [0, 1]));
    this.button.addEventListener("click", () => {
      this.rate.follow();
      this.loss.follow();
    });
  }

  sayRange(chart) {
    this.button.hidden = !chart.zoomed;
    // uPlot sets the scale right after it told of the selection.
    queueMicrotask(() => {
      const { min, max } = chart.plot.scales.x;
      this.range.textContent = chart.zoomed ? `Paused at ${compact(Math.ceil(min))}–${compact(Math.floor(max))},` : "";
    });
  }

  newScene() {
    for (const chart of [this.loss, this.rate, this.accuracy]) chart.setZoomed(false);
  }

  show(store) {
    this.loss.show(lossData(store));
    this.rate.show([store.curve.step, store.curve.lr]);
    this.accuracy.show([store.accuracy.map(([step]) => step), store.accuracy.map(([, value]) => value)]);
  }
}

function lossOptions() {
  const ember = colour("ember");
  const sky = colour("sky");
  return {
    cursor: synced,
    scales: { x: stepScale },
    axes: axes(short, 44),
    series: [
      {},
      { stroke: faint(ember), width: 1, points: { show: false } },
      { stroke: ember, width: 2, points: { show: false } },
      { stroke: sky, width: 2, dash: [7, 4], spanGaps: true, points: { show: true, size: 6, fill: sky } },
    ],
    plugins: [
      tooltip([
        ["ember", (data, index) => `train ${loss(valueAt(data[2], index))} (raw ${loss(data[1][index] ?? null)})`],
        ["sky", (data, index) => `val ${loss(valueAt(data[3], index))}`],
      ]),
    ],
  };
}

function lineOptions(tone, format, axisFormat, cursor, range) {
  const stroke = colour(tone);
  const alone = (chart) => chart.data[0].length < 40;
  return {
    cursor,
    scales: { x: stepScale, y: range ? { range } : {} },
    axes: axes(axisFormat, 50),
    series: [{}, { stroke, width: 2, points: { show: alone, size: 5, fill: stroke } }],
    plugins: [tooltip([[tone, (data, index) => format(data[1][index])]])],
  };
}
