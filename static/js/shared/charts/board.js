// Charts of one page that are looked at together: one crosshair, one zoom, one toolbar.
//
//   const board = new Board(document, { sprite, href: (name) => `/vault/DIO/${name}`, about: (step) => [] });
//   board.show({ runs: [main, ...others], validation, accuracy, marks });
//
// `root` holds a `.plot[data-plot=loss|accuracy|rate|norm|speed|memory]` for each chart and at most one toolbar
// (templates/tavern/shared/charts/toolbar.html). `runs` are `Run`s of run.js, the first one in the light; `validation`
// are {key, label, token, current, points: [[step, loss]]}, `accuracy` is [[step, share, skill, level]], `marks` are
// {step, sign, text, checkpoint} of moments.js; all steps are those of the first run.

import { Chart } from "./chart.js";
import { listenToChartKeys } from "./keys.js";
import { pictureOf } from "./kinds.js";
import { Moments, faultsOf } from "./moments.js";
import { onTheme } from "./palette.js";
import { savePicture } from "./picture_file.js";
import { Toolbar } from "./toolbar.js";
import { View } from "./view.js";

export class Board {
  constructor(root, { sprite, href = () => "#", about = () => [] }) {
    Object.assign(this, { root, about });
    this.view = new View();
    this.pointed = null;
    this.toolbar = new Toolbar(root, this.view, {
      change: () => this.draw(),
      look: (zoom, live) => this.look(zoom, live),
      full: () => this.fullScreen(),
      save: () => this.save(),
    });
    this.charts = [...root.querySelectorAll("[data-plot]")].map((node) => this.chart(node, { sprite, href }));
    for (const choice of root.querySelectorAll("[data-chooses-plot]")) this.offer(choice);
    listenToChartKeys(this);
    onTheme(() => this.draw());
    document.addEventListener("fullscreenchange", () => this.draw());
  }

  chart(node, { sprite, href }) {
    const chart = new Chart(node, node.dataset.plot, {
      zoom: (range) => this.look(range),
      point: (x) => this.point(x),
      reset: () => this.look(null),
      open: () => this.pointed !== null && chart.moments.openAt(this.pointed),
      drawn: () => chart.moments.draw(),
    });
    chart.moments = new Moments(chart, { sprite, href });
    return chart;
  }

  // A select whose value is the kind of the chart in its panel.
  offer(choice) {
    const chart = this.charts.find(({ node }) => choice.closest(".chart").contains(node));
    choice.addEventListener("change", () => {
      chart.kind = chart.node.dataset.plot = choice.value;
      choice.closest(".chart").dataset.shows = choice.value;
      this.draw();
    });
  }

  show(scene) {
    this.scene = scene;
    this.draw();
  }

  draw() {
    if (!this.scene?.runs[0]) return;
    this.follow();
    const visible = this.charts.filter((chart) => chart.visible);
    const view = { ...this.view, log: this.toolbar.fitLog(this.losses()) };
    for (const chart of visible) this.drawOne(chart, view);
    this.toolbar.sayZoom();
    if (this.pointed !== null) this.point(this.pointed);
  }

  drawOne(chart, view) {
    const [main] = this.scene.runs;
    this.placeBreaks(chart, main, view.x);
    const picture = pictureOf(chart.kind, this.scene, view);
    chart.show({ ...picture, about: (x, index) => this.about(chart.kind, x, index) }, view, view.zoom);
    const moments = [...this.scene.marks, ...faultsOf(main)].sort((one, other) => one.step - other.step);
    chart.moments.show(moments.map((moment) => ({ ...moment, x: main.at(moment.step, view.x) })));
  }

  placeBreaks({ breaks, levels, kind }, main, x) {
    breaks.at = kind === "accuracy" ? [] : main.breaks.map((step) => [main.behind(step, x), ""]);
    breaks.now = main.behind(main.since, x);
    const { accuracy } = this.scene;
    const another = ([, , skill, level], at) => at > 0 && (accuracy[at - 1][2] !== skill || accuracy[at - 1][3] !== level);
    levels.at = kind === "accuracy" ? accuracy.filter(another).map(([step, , , level]) => [main.at(step, x), `lv ${level}`]) : [];
  }

  losses() {
    const { runs, validation } = this.scene;
    return [...runs.flatMap(({ loss }) => loss), ...validation.flatMap(({ points }) => points.map(([, value]) => value))];
  }

  // What is zoomed into moves on with the newest step, or is given up where it was forgotten meanwhile.
  follow() {
    const { zoom, live, x } = this.view;
    const xs = this.scene.runs[0].xs(x);
    if (!zoom || !xs.length) return;
    if (zoom.max < xs[0]) this.view.look(null);
    else if (live) this.view.look({ min: xs.at(-1) - (zoom.max - zoom.min), max: xs.at(-1) }, true);
  }

  look(zoom, live = false) {
    this.view.look(zoom, live);
    this.draw();
  }

  point(x) {
    this.pointed = x;
    for (const chart of this.charts) if (chart.visible) chart.point(x);
  }

  // The chart that has the focus, else the first one.
  fullScreen() {
    if (document.fullscreenElement) return document.exitFullscreen();
    const chart = this.charts.find(({ node }) => node === document.activeElement) ?? this.charts[0];
    return chart.node.closest(".chart").requestFullscreen?.();
  }

  save() {
    const drawn = this.charts.filter(({ visible, plot }) => visible && plot);
    return savePicture(drawn, this.scene.runs[0].label ?? "curves");
  }
}
