// Choosing many quests: ticks, ranges with shift, a whole page, a whole list.

export class Choice {
  constructor(root) {
    this.root = root;
    this.bar = () => root.querySelector("#batch");
    this.orders = root.querySelector("#orders");
    this.last = null;
    this.whole = null;
  }

  listen() {
    this.root.addEventListener("click", (event) => this.clicked(event));
    this.root.addEventListener("realm:ticks", () => this.show());
    this.root.body.addEventListener("htmx:afterSettle", () => this.show());
    this.show();
  }

  clicked(event) {
    const { target } = event;
    if (target.matches("input[name=quest]")) this.ticked(target, event.shiftKey);
    if (target.matches("[data-all]")) this.tickAll(target);
    if (target.matches("[data-whole]")) this.takeWhole(target);
    if (target.closest("[data-clear]")) this.clear();
  }

  ticked(box, range) {
    if (!box.checked) this.setWhole(null);
    const boxes = [...box.closest("[data-list]").querySelectorAll("input[name=quest]")];
    if (range && this.last && boxes.some((other) => other.value === this.last)) {
      const from = boxes.findIndex((other) => other.value === this.last);
      const to = boxes.indexOf(box);
      for (const other of boxes.slice(Math.min(from, to), Math.max(from, to) + 1)) other.checked = box.checked;
    }
    this.last = box.value;
    this.show();
  }

  tickAll(all) {
    const list = all.closest("[data-list]");
    for (const box of list.querySelectorAll("input[name=quest]")) box.checked = all.checked;
    this.setWhole(null);
    this.show();
  }

  takeWhole(button) {
    this.clear();
    const list = button.closest("[data-list]");
    for (const box of list.querySelectorAll("input[name=quest]")) box.checked = true;
    this.setWhole({ name: button.dataset.whole, many: Number(button.dataset.many) });
    this.show();
  }

  setWhole(whole) {
    this.whole = whole;
    this.orders.querySelector("[name=all_of]")?.remove();
    if (!whole) return;
    const field = document.createElement("input");
    Object.assign(field, { type: "hidden", name: "all_of", value: whole.name });
    this.orders.append(field);
  }

  clear() {
    for (const box of this.root.querySelectorAll("input[name=quest]:checked, [data-all]:checked")) box.checked = false;
    this.setWhole(null);
    this.show();
  }

  // What makes sense for some of the chosen ones; the server leaves the others out and says so.
  showActs(bar) {
    const lists = [...this.root.querySelectorAll("[data-list]")].filter((list) =>
      list.querySelector("input[name=quest]:checked"),
    );
    const acts = new Set(lists.flatMap((list) => list.dataset.acts.split(" ")));
    for (const button of bar.querySelectorAll("button[name=do]")) button.hidden = !acts.has(button.value);
  }

  show() {
    const ticked = this.root.querySelectorAll("input[name=quest]:checked").length;
    const bar = this.bar();
    bar.hidden = ticked === 0;
    this.showActs(bar);
    bar.querySelector("[data-chosen]").textContent = this.whole?.many ?? ticked;
    for (const list of this.root.querySelectorAll("[data-list]")) {
      const boxes = [...list.querySelectorAll("input[name=quest]")];
      const all = list.querySelector("[data-all]");
      const many = boxes.filter((box) => box.checked).length;
      if (all)
        Object.assign(all, {
          checked: many > 0 && many === boxes.length,
          indeterminate: many > 0 && many < boxes.length,
        });
      const offer = list.querySelector(".whole-list");
      if (offer) offer.hidden = !(all?.checked && !this.whole);
    }
  }
}
