// How curves are looked at. What the address says holds, so that a view can be bookmarked; else what was chosen before.

const STORED = "realm-charts";
const STORED_LOG = "realm-log-y";
export const MOST_SMOOTHED = 0.95;
const X = ["step", "tokens", "time"];
const CLIPS = ["off", "p99", "p95"];
const oneOf = (list, text) => (list.includes(text) ? text : null);
const READ = {
  smooth: (text) => (text !== "" && Number(text) >= 0 && Number(text) <= MOST_SMOOTHED ? Number(text) : null),
  x: (text) => oneOf(X, text),
  clip: (text) => oneOf(CLIPS, text),
  log: (text) => ({ 1: true, 0: false })[text] ?? null,
};
const USUAL = { smooth: 0.6, x: "step", clip: "off", log: null };

export class View {
  constructor() {
    const address = new URLSearchParams(location.search);
    const stored = { ...readStored(), log: localStorage.getItem(STORED_LOG) };
    for (const [name, usual] of Object.entries(USUAL)) {
      const said = [address.get(name), stored[name]].map((text) => (text === null || text === undefined ? null : text));
      this[name] = said.map((text) => (text === null ? null : READ[name](String(text)))).find((one) => one !== null) ?? usual;
    }
    const [from, to] = [Number(address.get("from") ?? NaN), Number(address.get("to") ?? NaN)];
    this.zoom = from < to ? { min: from, max: to } : null; // of the x axis; null: all
    this.live = false; // whether what is zoomed into moves on with the newest step
  }

  choose(name, value) {
    this[name] = value;
    const text = name === "log" ? (value ? "1" : "0") : String(value);
    if (name === "log") localStorage.setItem(STORED_LOG, text);
    else localStorage.setItem(STORED, JSON.stringify({ ...readStored(), [name]: value }));
    write({ [name]: text });
  }

  look(zoom, live = false) {
    this.zoom = zoom;
    this.live = live && zoom !== null;
    const at = (value) => (zoom && !live ? String(Number(value.toPrecision(10))) : null);
    write({ from: at(zoom?.min), to: at(zoom?.max) });
  }
}

function readStored() {
  return JSON.parse(localStorage.getItem(STORED) ?? "{}");
}

function write(changes) {
  const address = new URL(location.href);
  for (const [name, text] of Object.entries(changes)) {
    if (text === null) address.searchParams.delete(name);
    else address.searchParams.set(name, text);
  }
  if (address.href !== location.href) history.replaceState(history.state, "", address);
}
