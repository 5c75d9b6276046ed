// Loss, accuracy and learning rate by the hero's step (uPlot).

import { compact, digits, distinct, loss, percent, scientific, whole } from "../shared/format.js";
import { Curves, idOf, isCurrent, labelOf } from "./curves.js";
import { LogScale } from "./logscale.js";
import { Marks, indexFrom } from "./marks.js";

const SMOOTHING = 0.6;
const MOST_DOTS = 60;
const sync = uPlot.sync("step");
const synced = { sync: { key: sync.key, scales: ["x", null] } };
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const faint = (hex, alpha = "48") => `${hex}${alpha}`; // 48 is 28 %

// EMA with bias correction, begun anew at each index of `restarts`. What is not finite is left out of it and stays
// a gap.
export function smoothed(values, decay = SMOOTHING, restarts = new Set()) {
  let [last, weight] = [0, 1];
  return values.map((value, index) => {
    if (restarts.has(index)) [last, weight] = [0, 1];
    if (!Number.isFinite(value)) return null;
    last = last * decay + (1 - decay) * value;
    weight *= decay;
    return last / (1 - weight);
  });
}

// A logarithm knows only what is above zero; the rest are gaps.
const drawable = (values, log) => (log ? values.map((value) => (value > 0 ? value : null)) : values);

// A column for each curve of `validation`.
export function lossData({ curve, validation }, log = false) {
  const raw = drawable(curve.loss, log);
  const restarts = new Set(curve.battles.map(([first]) => indexFrom(curve.step, first + 1)));
  const training = [curve.step, raw, smoothed(raw, SMOOTHING, restarts)];
  if (!validation.length) return training;
  const columns = validation.map(({ points }) => [
    points.map(([step]) => step),
    drawable(
      points.map(([, value]) => value),
      log,
    ),
  ]);
  return uPlot.join([training, ...columns]);
}

// Where a battle begins after another one; what lies before the battle of now is past.
function markBattles(marks, { curve, battle }) {
  marks.at = curve.battles.slice(1).map(([first]) => [first + 0.5, ""]);
  marks.now = battle?.first_step === null ? Infinity : (battle?.first_step ?? -Infinity) + 0.5;
}

function markLevels(marks, accuracy) {
  const changed = ([, , skill, level], at) =>
    at > 0 && (accuracy[at - 1][2] !== skill || accuracy[at - 1][3] !== level);
  marks.at = accuracy.filter(changed).map(([step, , , level]) => [step, `lv ${level}`]);
}

function axisNumber(value) {
  if (value === null) return ""; // left out by uPlot for want of room
  const round = Number(value.toPrecision(3));
  return round !== 0 && Math.abs(round) < 1e-3 ? round.toExponential() : String(round);
}

// On a logarithmic axis only the powers of ten get a line, where there are any.
function decades(_, splits) {
  const tens = splits.map((value) => (Number.isInteger(Math.log10(Number(value.toPrecision(6)))) ? value : null));
  return tens.some((value) => value !== null) ? tens : splits;
}

function axes(format, size, filter = (_, splits) => splits) {
  const common = { stroke: colour("text-dim"), font: '11px "Inter Variable", sans-serif', ticks: { show: false } };
  const grid = { stroke: colour("line"), width: 1, dash: [2, 4], filter };
  return [
    {
      ...common,
      size: 24,
      gap: 2,
      grid: { show: false },
      space: 56,
      values: (_, splits) => distinct(splits.map((step) => (Number.isInteger(step) ? step : null)), compact, whole),
    },
    { ...common, size, gap: 4, grid, space: 36, values: (_, splits) => distinct(splits, format, digits(5), digits(9)) },
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
        const shown = idx !== null && idx !== undefined && left >= 0 && idx < chart.data[0].length;
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
    ...lines.flatMap(([tone, say]) => {
      const text = say(data, index);
      if (text === null) return [];
      const line = document.createElement("span");
      line.className = `t-${tone}`;
      line.textContent = text;
      return [line];
    }),
  ];
}

class Chart {
  constructor(node, options, onZoom = () => {}) {
    this.node = node;
    this.zoomed = false;
    this.onZoom = onZoom;
    this.build(options);
    new ResizeObserver(() => this.plot.setSize(this.size())).observe(node);
  }

  build({ tones, ...options }) {
    const zoom = (chart) => {
      if (chart.select.width > 0) this.setZoomed(true);
    };
    const tone = (_, series) => tones[series - 1];
    this.plot = new uPlot(
      {
        ...this.size(),
        legend: { show: false },
        padding: [8, 10, 0, 0],
        ...options,
        cursor: {
          points: { size: 6, fill: tone, stroke: tone },
          y: false,
          drag: { x: true, y: false },
          ...options.cursor,
        },
        hooks: { setSelect: [zoom] },
      },
      options.series.map(() => []),
      this.node,
    );
    this.plot.over.addEventListener("dblclick", () => this.follow());
  }

  // uPlot fixes the kind of a scale when it begins.
  rebuild(options) {
    const { min, max } = this.plot.scales.x;
    this.plot.destroy();
    this.build(options);
    if (this.zoomed) this.plot.setScale("x", { min, max });
  }

  size() {
    return { width: Math.max(60, this.node.clientWidth), height: Math.max(60, this.node.clientHeight) };
  }

  setZoomed(zoomed) {
    this.zoomed = zoomed;
    this.onZoom(this);
  }

  show(data) {
    const [steps] = data;
    this.node.toggleAttribute("data-empty", !steps.length);
    if (!steps.length) this.node.dataset.empty = "Nothing measured yet";
    // What was zoomed into may have been forgotten meanwhile.
    if (this.zoomed && !(this.plot.scales.x.max >= steps[0])) this.setZoomed(false);
    this.plot.setData(data, !this.zoomed);
  }

  follow() {
    this.setZoomed(false);
    this.plot.setData(this.plot.data, true);
  }
}

// uPlot would show a single point in a range that begins at 0.
const stepScale = (margin = 0) => ({
  time: false,
  range: ({ data }, low, high) => {
    if (data[0]?.length === 1) return [data[0][0] - 10, data[0][0] + 10];
    const more = Math.max(low === high ? 1 : 0, (high - low) * margin);
    return [low - more, high + more];
  },
});

export class Charts {
  constructor(root) {
    const at = (name) => root.querySelector(`[data-plot=${name}]`);
    this.range = root.querySelector("#range");
    this.button = root.querySelector("#follow");
    this.battles = new Marks(colour("line"));
    this.levels = new Marks(colour("text-faint"));
    this.scale = new LogScale(root, () => this.show(this.store));
    this.curves = new Curves(root, () => this.show(this.store));
    this.shown = [];
    this.drawn = this.drawnAs();
    this.loss = new Chart(at("loss"), this.lossOptions(), (chart) => this.sayRange(chart));
    this.rate = new Chart(at("rate"), this.rateOptions());
    this.accuracy = new Chart(at("accuracy"), this.accuracyOptions());
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
      const range = distinct([Math.ceil(min), Math.floor(max)], compact, whole);
      this.range.textContent = chart.zoomed ? `Paused at ${range.join("–")},` : "";
    });
  }

  show(store) {
    this.store = store;
    const { curve, validation, accuracy } = store;
    markBattles(this.battles, store);
    markLevels(this.levels, accuracy);
    this.shown = this.curves.fit(validation);
    this.scale.fit([...curve.loss, ...this.shown.flatMap(({ points }) => points.map(([, value]) => value))]);
    if (this.drawn !== this.drawnAs()) {
      this.drawn = this.drawnAs();
      this.loss.rebuild(this.lossOptions());
    }
    this.loss.show(lossData({ curve, validation: this.shown }, this.scale.on));
    this.rate.show([curve.step, curve.lr]);
    this.accuracy.show([accuracy.map(([step]) => step), accuracy.map(([, value]) => value)]);
  }

  // What uPlot fixes when it begins.
  drawnAs() {
    return [this.scale.on, ...this.shown.map(idOf), ...this.shown.map((one) => isCurrent(one, this.curves.all))].join();
  }

  questAt(step) {
    return this.store.curve.battles.findLast(([first]) => first < step)?.[1] ?? "";
  }

  lossOptions() {
    const ember = colour("ember");
    const { gaps } = this.battles;
    return {
      tones: [faint(ember), ember, ...this.shown.map((one) => colour(this.curves.toneOf(one)))],
      cursor: synced,
      scales: { x: stepScale(), y: this.scale.on ? { distr: 3 } : {} },
      axes: axes(axisNumber, 44, this.scale.on ? decades : undefined),
      series: [
        {},
        { stroke: this.battles.stroke(faint(ember), faint(ember, "24")), width: 1, points: { show: false }, gaps },
        { stroke: this.battles.stroke(ember, faint(ember, "80")), width: 2, points: { show: false }, gaps },
        ...this.shown.map((one) => this.scoreSeries(one)),
      ],
      plugins: [
        this.battles.plugin,
        tooltip([
          ["dim", (data, index) => this.questAt(data[0][index])],
          ["ember", (data, index) => `train ${loss(valueAt(data[2], index))} (raw ${loss(data[1][index] ?? null)})`],
          ...this.shown.map((one, at) => [
            this.curves.toneOf(one),
            (data, index) => this.scoreAt(one, data[0][index], data[at + 3], index),
          ]),
        ]),
      ],
    };
  }

  scoreSeries(one) {
    const tone = colour(this.curves.toneOf(one));
    const stroke = isCurrent(one, this.curves.all) ? tone : faint(tone, "80");
    return { stroke, width: 2, dash: [7, 4], spanGaps: true, points: { show: true, size: 6, fill: stroke } };
  }

  // A score holds until the next one over the same rows, and not before the first.
  scoreAt(one, step, column, index) {
    const over = !isCurrent(one, this.curves.all) && step > one.points.at(-1)[0];
    const value = over ? null : valueAt(column, index);
    return value === null ? null : `${labelOf(one, this.curves.all)}: ${loss(value)}`;
  }

  rateOptions() {
    const arcane = colour("arcane");
    const series = { stroke: this.battles.stroke(arcane, faint(arcane, "80")), width: 2, gaps: this.battles.gaps };
    const tip = tooltip([["arcane", (data, index) => scientific(data[1][index])]]);
    return lineOptions(arcane, { series, axis: scientific, cursor: synced, plugins: [this.battles.plugin, tip] });
  }

  accuracyOptions() {
    const moss = colour("moss");
    const series = { stroke: moss, width: 2, gaps: this.levels.gaps };
    const of = (index) => this.store.accuracy[index]?.slice(2).join(" level ") ?? "";
    const tip = tooltip([
      ["dim", (_, index) => of(index)],
      ["moss", (data, index) => percent(data[1][index])],
    ]);
    const options = { series, axis: (value) => `${Math.round(value * 100)}%`, plugins: [this.levels.plugin, tip] };
    return lineOptions(moss, { ...options, y: { range: [0, 1] }, margin: 0.03 });
  }
}

function lineOptions(tone, { series, axis, plugins, cursor = {}, y = {}, margin = 0 }) {
  const few = (chart) => chart.data[0].length <= MOST_DOTS;
  return {
    tones: [tone],
    cursor,
    scales: { x: stepScale(margin), y },
    axes: axes(axis, 50),
    series: [{}, { ...series, points: { show: few, size: 5, fill: tone } }],
    plugins,
  };
}
