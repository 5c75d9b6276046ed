// How many answers of a skill were right, by the hero's step: one line a level, and one for each level of a branch
// that the hero left (uPlot).

import { compact, distinct, percent, whole } from "../shared/format.js";

const MOST_LINES = 6;
const MOST_LEFT = 4;
const LEGEND_HEIGHT = 30;
const LEGEND_ENTRY = 150;
const node = document.querySelector("#skill-curve");
const { step, level, accuracy, branch } = JSON.parse(document.querySelector("#curve").textContent);

// The table that uPlot wants: one column of steps, and for each level its values or gaps.
function columns(steps, levels, values, branches, most = MOST_LINES) {
  const highest = [...new Set(levels)].sort((a, b) => a - b).slice(-most);
  const left = [...new Set(branches)].filter(Boolean).sort();
  const lines = ["", ...left].flatMap((name) => highest.map((value) => [value, name]));
  const has = new Set(levels.map((value, index) => `${value} ${branches[index]}`));
  const known = lines.filter(([value, name]) => has.has(`${value} ${name}`));
  const shown = [...known.filter(([, name]) => !name), ...known.filter(([, name]) => name).slice(-MOST_LEFT)];
  const all = [...new Set(steps)].sort((a, b) => a - b);
  const at = new Map(all.map((value, index) => [value, index]));
  const data = shown.map(() => all.map(() => null));
  levels.forEach((value, index) => {
    const column = shown.findIndex(([each, name]) => each === value && name === branches[index]);
    if (column >= 0) data[column][at.get(steps[index])] = values[index];
  });
  return { shown, data: [all, ...data] };
}

function draw() {
  const { shown, data } = columns(step, level, accuracy, branch);
  const tone = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const [lowest, highest] = [shown[0][0], Math.max(...shown.map(([value]) => value))];
  const share = (value) => (value - lowest + 1) / (highest - lowest + 1);
  const strength = ([value, name]) => (name ? "50" : Math.round(80 + 175 * share(value)).toString(16));
  const legend = () => LEGEND_HEIGHT * Math.ceil(((shown.length + 1) * LEGEND_ENTRY) / Math.max(300, node.clientWidth));
  const size = () => ({
    width: Math.max(60, node.clientWidth),
    height: Math.max(60, node.clientHeight - legend()),
  });
  const axis = { stroke: tone("text-dim"), font: '11px "Inter Variable", sans-serif', ticks: { show: false } };
  const grid = { stroke: tone("line"), width: 1, dash: [2, 4] };
  node.removeAttribute("data-empty");
  const plot = new uPlot(
    {
      ...size(),
      padding: [8, 10, 0, 0],
      scales: { x: { time: false }, y: { range: [0, 1] } },
      axes: [
        {
          ...axis,
          size: 24,
          grid: { show: false },
          space: 56,
          values: (_, splits) => distinct(splits.map((value) => (Number.isInteger(value) ? value : null)), compact, whole),
        },
        { ...axis, size: 46, grid, values: (_, splits) => splits.map((value) => `${Math.round(value * 100)}%`) },
      ],
      series: [
        { label: "step" },
        ...shown.map(([value, name]) => ({
          label: name ? `level ${value}, ${name}` : `level ${value}`,
          stroke: node.dataset.color + strength([value, name]),
          width: value === highest && !name ? 2.5 : 1.5,
          dash: name ? [2, 4] : value % 2 ? undefined : [6, 4],
          spanGaps: true,
          points: { show: data[0].length < 60, size: 5 },
          value: (_, raw) => percent(raw ?? null),
        })),
      ],
      legend: { live: true },
      cursor: { y: false, drag: { x: true, y: false } },
    },
    data,
    node,
  );
  new ResizeObserver(() => plot.setSize(size())).observe(node);
}

if (step.length) draw();
