// Labels of axes: short ones, but with as many digits as tell neighbours apart.

import { compact, digits, distinct, duration, whole } from "../format.js";

export function plain(value) {
  const round = Number(value.toPrecision(3));
  return round !== 0 && Math.abs(round) < 1e-3 ? round.toExponential() : String(round);
}

// Seconds as a clock counts them, finer where neighbours would read alike.
const clock = (seconds) => {
  const [minutes, rest] = [Math.floor(seconds / 60), seconds % 60];
  return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${String(Math.floor(rest)).padStart(2, "0")}`;
};
const X_FORMATS = {
  step: [compact, whole],
  tokens: [compact, whole, digits(9)],
  time: [duration, clock, (seconds) => `${digits(9)(seconds)}s`],
};

// A step is whole; a tick between two steps stays without a label.
export function xLabels(splits, mode) {
  const values = mode === "step" ? splits.map((step) => (Number.isInteger(step) ? step : null)) : splits;
  return distinct(values, ...X_FORMATS[mode]);
}

// null was left out by uPlot for want of room.
export const yLabels = (splits, format) => distinct(splits, format, digits(5), digits(9), digits(15));

export const sayX = (x, mode) => (mode === "step" ? `step ${whole(x)}` : mode === "tokens" ? `${whole(x)} tokens` : duration(x));

// The first and the last of what is zoomed into.
export const saySpan = (low, high, mode) =>
  mode === "step" ? [whole(Math.ceil(low)), whole(Math.floor(high))] : xLabels([low, high], mode);

// On a logarithmic axis only the powers of ten get a line, where there are any.
export function decades(_, splits) {
  const tens = splits.map((value) => (Number.isInteger(Math.log10(Number(value.toPrecision(6)))) ? value : null));
  return tens.some((value) => value !== null) ? tens : splits;
}
