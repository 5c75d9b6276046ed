// Whether the loss axis is logarithmic: what the address says, else what was chosen before, else what the data need.

const STORED = "realm-log-y";
const DECADE = 10;

const read = (text) => (text === "1" ? true : text === "0" ? false : null);

export function spansDecade(values) {
  let [low, high] = [Infinity, 0];
  for (const value of values) {
    if (!(value > 0) || value === Infinity) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return high >= DECADE * low;
}

export class LogScale {
  constructor(root, onChange) {
    this.button = root.querySelector("#log-scale");
    this.chosen = read(new URLSearchParams(location.search).get("log")) ?? read(localStorage.getItem(STORED));
    this.on = this.chosen ?? false;
    this.say();
    this.button.addEventListener("click", () => {
      this.choose(!this.on);
      onChange();
    });
  }

  choose(on) {
    this.on = this.chosen = on;
    const text = on ? "1" : "0";
    localStorage.setItem(STORED, text);
    const address = new URL(location.href);
    address.searchParams.set("log", text);
    history.replaceState(history.state, "", address);
    this.say();
  }

  // Until the player has chosen, the data decide.
  fit(values) {
    if (this.chosen !== null) return;
    const on = spansDecade(values);
    if (on === this.on) return;
    this.on = on;
    this.say();
  }

  say() {
    this.button.setAttribute("aria-pressed", String(this.on));
  }
}
