// How numbers read in the game. tavern/formatting.py says the same on the server; one table of cases tests both.

export const UNKNOWN = "--";

function word(value) {
  if (value === null || value === undefined) return UNKNOWN;
  if (Number.isNaN(value)) return "NaN";
  if (value === Infinity) return "∞";
  if (value === -Infinity) return "-∞";
  return null;
}

const formats = new Map();

function fixed(value, digits, roundingMode = "halfExpand") {
  const key = `${digits} ${roundingMode}`;
  if (!formats.has(key)) {
    const options = { minimumFractionDigits: digits, maximumFractionDigits: digits, roundingMode };
    formats.set(key, new Intl.NumberFormat("en", options));
  }
  return formats.get(key).format(value);
}

const isShort = () => globalThis.document?.documentElement.dataset.numbers === "compact";

export function whole(value) {
  if (isShort() && Math.abs(value) >= 1e3 && Number.isFinite(value)) return compact(value);
  return word(value) ?? fixed(value, 0, "trunc");
}

export function compact(value) {
  const said = word(value);
  if (said) return said;
  for (const [unit, suffix] of [
    [1e9, "G"],
    [1e6, "M"],
    [1e3, "k"],
  ]) {
    if (Math.abs(value) >= unit) {
      const scaled = value / unit;
      return fixed(scaled, Math.abs(scaled) < 100 ? 1 : 0, "trunc") + suffix;
    }
  }
  return whole(value);
}

// Labels of one axis, by the first of the formats that tells all of them apart; null stays without one.
export function distinct(values, ...formats) {
  const written = formats.map((format) => values.map((value) => (value === null ? "" : format(value))));
  const count = new Set(values.filter((value) => value !== null)).size;
  return written.find((labels) => new Set(labels.filter(Boolean)).size === count) ?? written.at(-1);
}

// A number with so many digits that count.
export function digits(count) {
  return (value) => word(value) ?? String(Number(value.toPrecision(count)));
}

export function brief(value) {
  const said = word(value);
  if (said) return said;
  if (Math.abs(value) < 1e5) return whole(value);
  for (const [unit, suffix] of [
    [1e3, "k"],
    [1e6, "M"],
    [1e9, "G"],
    [1e12, "T"],
  ]) {
    if (Math.abs(value) < unit * 1e3) return fixed(value / unit, 1, "trunc") + suffix;
  }
  return scientific(value);
}

export function loss(value) {
  const said = word(value);
  if (said) return said;
  if (value !== 0 && !(Math.abs(value) >= 1e-3 && Math.abs(value) < 1e6)) return scientific(value);
  const digits = value === 0 ? 3 : 3 - Math.floor(Math.log10(Math.abs(value)));
  return fixed(value, Math.max(0, digits));
}

export function scientific(value) {
  return word(value) ?? value.toExponential(1).replace("e+", "e");
}

export function rate(value) {
  return word(value) ?? fixed(value, value < 10 ? 2 : value < 100 ? 1 : 0);
}

export function percent(fraction) {
  // The nudge lets 0.29 * 100 = 28.999999999999996 be 29.
  return word(fraction) ?? `${fixed(fraction * 100 + 1e-9, 1, "trunc")}%`;
}

export function deviation(fraction) {
  const said = word(fraction);
  if (said) return said;
  const text = fixed(Math.abs(fraction) * 100, 1);
  return `${fraction < 0 && text !== "0.0" ? "-" : "+"}${text}%`;
}

export function size(value) {
  const said = word(value);
  if (said) return said;
  for (const [unit, suffix] of [
    [1e9, "GB"],
    [1e6, "MB"],
    [1e3, "kB"],
  ]) {
    if (Math.abs(value) >= unit) return `${rate(value / unit)} ${suffix}`;
  }
  return `${whole(value)} B`;
}

export function hundredfold(value) {
  const said = word(value);
  if (said) return said;
  const shown = value * 100;
  const size = Math.abs(shown);
  if (size >= 999.95) return brief(shown);
  if (size > 0 && size < 0.01) return scientific(shown);
  return fixed(shown, size > 0 && size < 0.995 ? 2 : 1);
}

export function duration(seconds) {
  const said = word(seconds);
  if (said) return said;
  const left = Math.max(0, Math.trunc(seconds));
  const two = (number) => String(number).padStart(2, "0");
  if (left < 60) return `${left}s`;
  if (left < 300) return `${Math.floor(left / 60)}m ${two(left % 60)}s`;
  if (left < 3600) return `${Math.floor(left / 60)}m`;
  if (left < 86400) return `${Math.floor(left / 3600)}h ${two(Math.floor((left % 3600) / 60))}m`;
  return `${Math.floor(left / 86400)}d ${Math.floor((left % 86400) / 3600)}h`;
}

export function clock(secondsFromNow, now = new Date()) {
  const then = new Date(now.getTime() + secondsFromNow * 1000);
  return then.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false });
}
