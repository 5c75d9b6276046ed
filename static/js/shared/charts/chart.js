// One chart (uPlot): draws a picture of kinds.js, zooms by dragging, and is read with mouse, finger or keys.

import { Breaks, indexFrom } from "./breaks.js";
import { Clip } from "./clip.js";
import { gridOf } from "./kinds.js";
import { LineEnds } from "./line_ends.js";
import { colour } from "./palette.js";
import { xLabels, yLabels } from "./ticks.js";
import { Tooltip, wordsAt } from "./tooltip.js";

const MOST_DOTS = 60;
const WIDE = 420;
const KEYS = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };

export class Chart {
  // `on` is told of {zoom(range), point(x), reset()}; x is null where nothing is pointed at.
  constructor(node, kind, on) {
    Object.assign(this, { node, kind, on });
    this.breaks = new Breaks(() => colour("line"));
    this.levels = new Breaks(() => colour("text-faint"));
    this.clip = new Clip();
    this.key = null; // what the plot was built for
    this.pointing = this.hovered = false;
    this.reading = node.closest(".chart")?.querySelector("[data-reading]");
    this.listen();
    new ResizeObserver(() => this.plot?.setSize(this.size())).observe(node);
  }

  get visible() {
    return this.node.checkVisibility();
  }

  size() {
    return { width: Math.max(60, this.node.clientWidth), height: Math.max(60, this.node.clientHeight) };
  }

  // `picture` of kinds.js with `about(x, index)`: words on what lies there.
  show(picture, view, zoom) {
    this.picture = picture;
    this.view = view;
    this.clip.by = view.clip;
    const [xs] = picture.columns;
    const empty = !picture.columns.slice(1).some((column) => column.some((value) => value !== null && value !== undefined));
    this.node.toggleAttribute("data-empty", empty);
    if (empty) this.node.dataset.empty = xs.length ? "Not measured" : "Nothing measured yet";
    this.fit();
    this.plot.setData(picture.columns, !zoom);
    if (zoom && xs.length) this.zoom(zoom);
  }

  zoom({ min, max }) {
    const { x } = this.plot.scales;
    if (x.min !== min || x.max !== max || this.view.live) this.plot.setScale("x", { min, max });
  }

  // What uPlot fixes when it begins.
  fit() {
    const { lines, log } = this.picture;
    const wide = this.node.clientWidth > WIDE;
    const key = [this.kind, log, wide, this.view.x, ...lines.map(({ key: name, stroke, end }) => `${name} ${stroke} ${end}`)].join();
    if (key === this.key) return;
    this.key = key;
    this.plot?.destroy();
    this.ends = new LineEnds(lines, wide);
    this.plot = new uPlot(this.options(), this.picture.columns.map(() => []), this.node);
    this.tip = new Tooltip(this.plot.over);
    this.watch(this.plot.over);
  }

  options() {
    const { lines, log, kind } = this.picture;
    const tone = (_, series) => lines[series - 1].stroke;
    return {
      ...this.size(),
      legend: { show: false },
      padding: [8, Math.max(10, this.ends.room), 0, 0],
      cursor: {
        points: { size: 6, fill: tone, stroke: tone },
        y: false,
        drag: { x: true, y: false, setScale: false },
        bind: { dblclick: () => null },
      },
      scales: { x: this.xScale(), y: kind.range ? { range: kind.range } : this.clip.scale(lines, log) },
      axes: this.axes(kind, log),
      series: [{}, ...lines.map((line) => this.series(line))],
      plugins: [this.breaks.plugin, this.levels.plugin, this.ends.plugin],
      hooks: {
        setSelect: [(plot) => this.selected(plot)],
        setCursor: [(plot) => this.moved(plot)],
        draw: [() => this.on.drawn?.(this)],
      },
    };
  }

  // uPlot would show a single point in a range that begins at 0.
  xScale() {
    const margin = this.kind === "accuracy" ? 0.03 : 0;
    return {
      time: false,
      range: ({ data }, low, high) => {
        if (data[0]?.length === 1) return [data[0][0] - 10, data[0][0] + 10];
        const whole = low === data[0][0] && high === data[0].at(-1);
        const more = Math.max(low === high ? 1 : 0, whole ? (high - low) * margin : 0);
        return [low - more, high + more];
      },
    };
  }

  axes(kind, log) {
    const common = { stroke: colour("text-dim"), font: '11px "Inter Variable", sans-serif', ticks: { show: false } };
    const grid = { stroke: colour("line"), width: 1, dash: [2, 4], filter: gridOf(log) };
    return [
      { ...common, size: 24, gap: 2, grid: { show: false }, space: 56, values: (_, splits) => xLabels(splits, this.view.x) },
      { ...common, size: kind.room, gap: 4, grid, space: 36, values: (_, splits) => yLabels(splits, kind.axis) },
    ];
  }

  series({ stroke, past, width, dash, own, levels, points, holds }) {
    const few = (plot) => plot.data[0].length <= MOST_DOTS;
    const many = points === true ? true : points === "few" || (own && this.picture.lines.length === 1) ? few : false;
    return {
      stroke: own && past ? this.breaks.stroke(stroke, past) : stroke,
      width,
      dash,
      spanGaps: Boolean(holds),
      ...(own || levels ? { gaps: (own ? this.breaks : this.levels).gaps } : {}),
      points: { show: many, size: holds ? 6 : 5, fill: stroke },
    };
  }

  selected(plot) {
    const { left, width } = plot.select;
    if (width <= 0) return;
    const range = { min: plot.posToVal(left, "x"), max: plot.posToVal(left + width, "x") };
    plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
    this.on.zoom(range);
  }

  // uPlot's own cursor follows the mouse over this chart; the others are told where it points to.
  moved(plot) {
    if (this.pointing || !this.hovered) return;
    const { left, idx } = plot.cursor;
    const over = left >= 0 && idx !== null && idx !== undefined && idx < plot.data[0].length;
    this.on.point(over ? plot.data[0][idx] : null);
  }

  // The crosshair at `x`, where it is in sight.
  point(x) {
    if (!this.plot || !this.picture) return;
    const { min, max } = this.plot.scales.x;
    const [xs] = this.picture.columns;
    const inSight = x !== null && xs.length > 0 && x >= min && x <= max;
    const left = inSight ? this.plot.valToPos(x, "x") : -10;
    this.pointing = true;
    this.plot.setCursor({ left, top: inSight ? 10 : -10 });
    this.pointing = false;
    const index = inSight ? nearest(xs, x) : null;
    this.at = index;
    this.tip.show(index === null ? null : this.words(index), left, this.plot.over.clientWidth);
  }

  words(index) {
    return wordsAt(this.picture, index, this.view.x);
  }

  listen() {
    this.node.tabIndex = 0;
    this.node.setAttribute("role", "application");
    this.node.setAttribute("aria-roledescription", "chart");
    this.node.addEventListener("keydown", (event) => this.pressed(event));
    this.node.addEventListener("blur", () => this.on.point(null));
  }

  pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") this.on.reset();
    if (event.key === "Enter") this.on.open?.(this);
    if (!(event.key in KEYS)) return;
    event.preventDefault();
    this.step(KEYS[event.key] * (event.shiftKey ? 10 : 1));
  }

  // One of the points in sight that has a value of its own.
  step(by) {
    const [xs] = this.picture.columns;
    if (!xs.length) return;
    const { min, max } = this.plot.scales.x;
    const [low, high] = [indexFrom(xs, min), Math.min(xs.length, indexFrom(xs, max + 1e-9)) - 1];
    const from = this.at ?? (by > 0 ? low - 1 : high + 1);
    const index = Math.max(low, Math.min(high, by === -Infinity ? low : by === Infinity ? high : from + by));
    this.on.point(xs[index]);
    this.at = index;
    if (this.reading) this.reading.textContent = this.words(index).map(([, words]) => words).join(" · ");
  }

  // A tap sets the crosshair, a drag moves it; up and down the page scrolls.
  watch(over) {
    over.addEventListener("dblclick", () => this.on.reset());
    over.addEventListener("mouseenter", () => (this.hovered = true));
    over.addEventListener("mouseleave", () => {
      this.hovered = false;
      this.on.point(null);
    });
    const set = (event) => {
      if (event.pointerType === "mouse") return;
      const { left } = over.getBoundingClientRect();
      this.on.point(this.plot.posToVal(event.clientX - left, "x"));
    };
    for (const kind of ["pointerdown", "pointermove"]) over.addEventListener(kind, set);
  }
}

function nearest(xs, x) {
  const after = indexFrom(xs, x);
  if (after >= xs.length) return xs.length - 1;
  return after > 0 && x - xs[after - 1] < xs[after] - x ? after - 1 : after;
}
