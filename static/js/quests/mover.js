// Moving quests: by drag between and inside lanes, and by the arrow buttons, which keep the focus.
//
// The page moves the card at once and says where to by name: several moves in a row mean what the player sees, though
// the arena carries them out a moment later. Until it has, the lists are not drawn anew.

const SETTLES_MS = 4000;

export class Mover {
  constructor(root, { orders, panels, live }) {
    Object.assign(this, { root, orders, panels, live });
    this.open = 0;
    this.card = null;
  }

  listen() {
    const { root } = this;
    this.orders.form.addEventListener("submit", (event) => this.arrow(event), { capture: true });
    root.addEventListener("dragstart", (event) => this.start(event));
    root.addEventListener("dragover", (event) => this.over(event));
    root.addEventListener("drop", (event) => this.drop(event));
    root.addEventListener("dragend", () => this.end());
  }

  arrow(event) {
    const button = event.submitter;
    if (!button?.dataset.step) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const card = button.closest(".card");
    const { previousElementSibling: above, nextElementSibling: below } = card;
    const first = card.parentElement.firstElementChild;
    const onFirstPage = !this.root.querySelector(`#back-${lane(card).dataset.lane}`);
    if (button.dataset.step === "top" && !onFirstPage)
      return void this.orders.send(new FormData(this.orders.form, button));
    const goal = { up: above, down: below?.nextElementSibling ?? null, top: first }[button.dataset.step];
    const stays = { up: !above, down: !below, top: card === first }[button.dataset.step];
    if (stays) return this.atTheEnd(card, button);
    this.place(card, card.parentElement, goal);
    button.focus({ preventScroll: true });
    card.scrollIntoView({ block: "nearest" });
    this.tell(card);
  }

  // The first and the last of a page may have neighbours on another one: the server knows them.
  atTheEnd(card, button) {
    const name = lane(card).dataset.lane;
    const more = button.dataset.step === "down" ? `#next-${name}` : `#back-${name}`;
    if (this.root.querySelector(more)) return void this.orders.send(new FormData(this.orders.form, button));
    const end = button.dataset.step === "down" ? "last" : "first";
    this.live.toasts.announce(`${card.dataset.name} is the ${end} already`);
  }

  start(event) {
    const card = event.target.closest?.(".card[draggable=true]");
    if (!card) return;
    this.card = card;
    this.panels.paused = true;
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", card.dataset.name);
    card.classList.add("dragged");
  }

  over(event) {
    if (!this.card) return;
    const list = event.target.closest?.("[data-lane]");
    this.unmark();
    if (!list) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "move";
    const before = this.cardBelow(list, event.clientY);
    list.dataset.over = "";
    if (before) before.classList.add("before");
    else list.querySelector(".cards").classList.add("end");
  }

  cardBelow(list, y) {
    const others = [...list.querySelectorAll(".card")].filter((card) => card !== this.card);
    return others.find((card) => {
      const box = card.getBoundingClientRect();
      return y < box.top + box.height / 2;
    });
  }

  drop(event) {
    const list = this.card && event.target.closest?.("[data-lane]");
    if (!list) return;
    event.preventDefault();
    const before = this.cardBelow(list, event.clientY) ?? null;
    const card = this.card;
    this.end();
    if (before === card.nextElementSibling && list === lane(card)) return;
    this.place(card, list.querySelector(".cards"), before);
    this.tell(card);
  }

  end() {
    this.unmark();
    this.card?.classList.remove("dragged");
    this.card = null;
    this.panels.paused = this.open > 0;
  }

  unmark() {
    for (const node of this.root.querySelectorAll("[data-over]")) delete node.dataset.over;
    for (const node of this.root.querySelectorAll(".card.before, .cards.end")) node.classList.remove("before", "end");
  }

  async place(card, cards, before) {
    const from = lane(card);
    cards.insertBefore(card, before);
    for (const list of new Set([from, lane(card)])) this.markEnds(list);
    const priority = lane(card).dataset.lane;
    card.dataset.priority = priority;
    this.open += 1;
    this.panels.paused = true;
    for (const name of ["high", "normal", "low"]) this.panels.last.delete(`list-${name}`);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.allSettled(), SETTLES_MS);
    const given = await this.orders.give({ do: `move ${card.dataset.id}`, priority, before: this.beforeId(card) });
    if (!given || !this.live.arenaRuns) this.allSettled();
  }

  // As the server draws them: the first goes no further up, the last no further down.
  markEnds(list) {
    const { lane: name } = list.dataset;
    const cards = [...list.querySelectorAll(".card")];
    for (const [step, end, more] of [
      ["up", cards[0], `#back-${name}`],
      ["down", cards.at(-1), `#next-${name}`],
    ]) {
      for (const card of cards) {
        const last = card === end && !this.root.querySelector(more);
        card.querySelector(`[data-step=${step}]`)?.toggleAttribute("aria-disabled", last);
        if (last) card.querySelector(`[data-step=${step}]`)?.setAttribute("aria-disabled", "true");
      }
    }
  }

  // Behind the last of a page stands the first of the next one.
  beforeId(card) {
    return card.nextElementSibling?.dataset.id ?? lane(card).dataset.after;
  }

  settled() {
    this.open = Math.max(0, this.open - 1);
    if (this.open === 0) this.allSettled();
  }

  allSettled() {
    clearTimeout(this.timer);
    this.open = 0;
    this.panels.paused = this.card !== null;
    this.panels.touch("summary", "list-high", "list-normal", "list-low");
  }

  tell(card) {
    const cards = [...card.parentElement.children];
    const list = lane(card);
    this.live.toasts.announce(
      `${card.dataset.name}: ${cards.indexOf(card) + 1} of ${cards.length} in ${list.dataset.lane}`,
    );
  }
}

const lane = (card) => card.closest("[data-lane]");
