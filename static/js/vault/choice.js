// Choosing several chests: ticks, a range with shift, and the bar that says what can be done with them.

const BOXES = "input[name=checkpoint]";

export class Choice {
  constructor(root) {
    this.root = root;
    this.bar = root.querySelector("#batch");
    this.last = null;
  }

  listen() {
    if (!this.bar) return;
    this.bar.querySelector("[data-clear]").hidden = false;
    this.root.addEventListener("click", (event) => this.clicked(event));
    this.root.addEventListener("realm:ticks", () => this.show());
    this.root.body.addEventListener("htmx:afterSettle", () => this.show());
    this.show();
  }

  clicked(event) {
    const { target } = event;
    if (target.matches(BOXES)) this.ticked(target, event.shiftKey);
    if (target.closest("[data-clear]")) this.clear();
    const compares = target.closest("[data-compares]");
    if (compares) this.compare(event, compares);
  }

  ticked(box, range) {
    const boxes = [...this.root.querySelectorAll(BOXES)];
    const from = boxes.findIndex((other) => other.value === this.last);
    if (range && from >= 0) {
      const to = boxes.indexOf(box);
      for (const other of boxes.slice(Math.min(from, to), Math.max(from, to) + 1)) other.checked = box.checked;
    }
    this.last = box.value;
    this.show();
  }

  chosen() {
    return [...this.root.querySelectorAll(`${BOXES}:checked`)].map((box) => box.value);
  }

  compare(event, button) {
    event.preventDefault();
    const query = new URLSearchParams(this.chosen().map((key) => ["checkpoint", key]));
    location.assign(`${button.dataset.compares}?${query}`);
  }

  clear() {
    for (const box of this.root.querySelectorAll(`${BOXES}:checked`)) box.checked = false;
    this.show();
  }

  show() {
    if (!this.bar) return;
    const many = this.chosen().length;
    this.bar.hidden = many === 0;
    this.bar.querySelector("[data-chosen]").textContent = many;
    this.bar.querySelector("[data-compares]").disabled = many !== 2;
  }
}
