// How much may move: `full`, `calm` or `off`; by the player's settings, the system's wish, and whether the picture is
// held still.

const STORED = "realm-scene-held";

export class Motion {
  constructor(root) {
    this.html = root.documentElement;
    this.wish = matchMedia("(prefers-reduced-motion: reduce)");
    this.held = localStorage.getItem(STORED) === "on";
    this.away = false;
    addEventListener("blur", () => this.leave(true));
    addEventListener("focus", () => this.leave(false));
  }

  leave(away) {
    this.away = away && this.html.dataset.pauseUnfocused === "on";
    this.onChange?.();
  }

  hold(held) {
    this.held = held;
    localStorage.setItem(STORED, held ? "on" : "off");
    this.onChange?.();
  }

  get level() {
    if (this.held || this.away) return "off";
    return this.html.dataset.motion ?? (this.wish.matches ? "off" : "full");
  }

  get numbers() {
    return this.level !== "off" && this.html.dataset.damage !== "off";
  }

  get shakes() {
    return this.level === "full" && this.html.dataset.shake === "on";
  }
}
