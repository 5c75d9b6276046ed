// What each chart draws: columns for uPlot, and for each of them how its line looks and reads.

import { compact, loss, percent, scientific, size } from "../format.js";
import { decades, plain } from "./ticks.js";
import { indexFrom } from "./breaks.js";
import { colour, faint } from "./palette.js";
import { smoothed } from "./smoothing.js";

const DASHES = [[2, 3], [8, 3], [1, 4], [8, 3, 2, 3], [12, 4]];
const VALIDATION = [7, 4];

export const KINDS = {
  loss: { title: "Loss", tone: "ember", of: (run) => run.loss, smooth: true, log: true, say: loss, axis: plain, room: 44 },
  rate: { title: "Learning rate", tone: "arcane", of: (run) => run.lr, say: scientific, axis: scientific, room: 50 },
  norm: { title: "Gradient norm", tone: "brass", of: (run) => run.norm, smooth: true, log: true, say: loss, axis: plain, room: 44 },
  speed: { title: "Tokens a second", tone: "gold", of: (run) => run.speed, smooth: true, say: compact, axis: compact, room: 44 },
  memory: { title: "Memory", tone: "sky", of: (run) => run.memory, say: size, axis: size, room: 58 },
  accuracy: { title: "Accuracy", tone: "moss", say: percent, axis: (value) => `${Math.round(value * 100)}%`, room: 44, range: [0, 1] },
};

// A logarithm knows only what is above zero; the rest are gaps.
const drawable = (values, log) => (log ? values.map((value) => (value > 0 ? value : null)) : values);

// `scene` is {runs: [main, …others], validation, accuracy}, `view` how it is looked at.
export function pictureOf(name, scene, view) {
  const kind = KINDS[name];
  return name === "accuracy" ? accuracies(kind, scene, view) : measures(kind, scene, view, name === "loss");
}

function measures(kind, { runs, validation }, view, withValidation) {
  const [main, ...others] = runs;
  const log = Boolean(kind.log && view.log);
  const tables = [ofMain(kind, main, view, log)];
  if (withValidation) tables.push(...validation.map((set) => ofValidation(set, main, view, log)));
  tables.push(...others.map((run, at) => ofOther(kind, run, main, view, log, at)));
  return { kind, log, columns: joined(tables), lines: tables.flatMap(({ lines }) => lines) };
}

const joined = (tables) => {
  const columns = tables.map(({ columns }) => columns);
  return columns.length > 1 ? uPlot.join(columns) : columns[0];
};

function ofMain(kind, main, view, log) {
  const tone = colour(kind.tone);
  const raw = drawable(kind.of(main), log);
  const line = { key: "main", tone: kind.tone, stroke: tone, width: 2, past: faint(tone, 50), own: true, clips: true };
  if (!kind.smooth) {
    return { columns: [main.xs(view.x), raw], lines: [{ ...line, end: main.label, say: kind.say }] };
  }
  const thin = { ...line, key: "raw", stroke: faint(tone), past: faint(tone, 14), width: 1, say: (value) => `raw ${kind.say(value)}` };
  const mean = { ...line, end: kind.title === "Loss" ? "train" : main.label, say: (value) => `${kind.title === "Loss" ? "train " : ""}${kind.say(value)}` };
  return { columns: [main.xs(view.x), raw, smoothed(raw, view.smooth, main.restarts)], lines: [thin, mean] };
}

function ofValidation({ points, label, token, current, key }, main, view, log) {
  const tone = colour(token);
  const stroke = current ? tone : faint(tone, 50);
  const values = points.map(([, value]) => value);
  const last = points.at(-1)[0];
  return {
    columns: [points.map(([step]) => main.at(step, view.x)), drawable(values, log)],
    lines: [
      {
        key, tone: token, stroke, width: 2, dash: VALIDATION, holds: true, until: current ? Infinity : main.at(last, view.x),
        end: current ? label.split(",")[0] : null, points: true, say: (value) => `${label}: ${loss(value)}`,
      },
    ],
  };
}

function ofOther(kind, run, main, view, log, at) {
  const tone = colour(run.ghost ? "gold" : kind.tone);
  const values = drawable(kind.of(run), log);
  return {
    columns: [run.beside(main, view.x), kind.smooth ? smoothed(values, view.smooth, run.restarts) : values],
    lines: [otherLine(kind, run, tone, at)],
  };
}

function otherLine(kind, run, tone, at) {
  const look = run.ghost ? { width: 1 } : { width: 1.5, dash: DASHES[at % DASHES.length] };
  const token = run.ghost ? "gold" : kind.tone;
  return { key: `other ${run.id}`, tone: token, stroke: faint(tone, 80), end: run.label, clips: true, say: (value) => `${run.label}: ${kind.say(value)}`, ...look };
}

function accuracies(kind, { runs, accuracy }, view) {
  const [main, ...others] = runs;
  const tone = colour(kind.tone);
  const mine = {
    columns: [accuracy.map(([step]) => main.at(step, view.x)), accuracy.map(([, value]) => value)],
    lines: [{ key: "main", tone: kind.tone, stroke: tone, width: 2, points: "few", levels: true, end: main.label, say: kind.say }],
  };
  const tables = others.filter((run) => run.accuracy.length).map((run, at) => {
    const xs = run.beside(main, view.x);
    const place = (step) => xs[Math.min(indexFrom(run.step, step), xs.length - 1)];
    return {
      columns: [run.accuracy.map(([step]) => place(step)), run.accuracy.map(([, value]) => value)],
      lines: [{ ...otherLine(kind, run, tone, at), points: "few" }],
    };
  });
  return { kind, log: false, columns: joined([mine, ...tables]), lines: [mine, ...tables].flatMap(({ lines }) => lines) };
}

export const gridOf = (log) => (log ? decades : (_, splits) => splits);
