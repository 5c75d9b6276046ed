// A host and one of its checkpoints: which are loaded, loading and unloading.

import { size, whole } from "../shared/format.js";
import { ask } from "../shared/logged_out.js";

const TICK_MS = 500;

export class Picker {
  constructor(fieldset, { hosts, choices, onChange }) {
    Object.assign(this, { fieldset, hosts, choices, onChange });
    this.part = (name) => fieldset.querySelector(`[data-${name}]`);
    this.host = this.part("host");
    this.checkpoint = this.part("checkpoint");
    if (!this.host.length) this.host.append(...hosts.map(({ id, name }) => new Option(name, id)));
    this.host.addEventListener("change", () => this.draw());
    this.checkpoint.addEventListener("change", () => this.draw());
    this.part("load").addEventListener("click", (event) => this.order(event, "/oracle/load", "Loading"));
    this.part("unload").addEventListener("click", (event) => this.order(event, "/oracle/unload", "Unloading"));
    this.draw();
  }

  get state() {
    return this.hosts.find(({ id }) => id === this.host.value) ?? null;
  }

  // What a request needs. A foreign host knows steps alone.
  get chosen() {
    const [step, name] = this.checkpoint.value.split(" ");
    const order = { host: this.host.value, step: Number(step) };
    return name && this.state?.kind === "realm" ? { ...order, name } : order;
  }

  get label() {
    return this.chosen.step === 0 ? "the base model" : `step ${whole(this.chosen.step)}`;
  }

  get model() {
    const { step, name } = this.chosen;
    return this.mine.find((model) => model.step === step && (!name || model.name === name)) ?? null;
  }

  get mine() {
    return (this.state?.loaded_models ?? []).filter(({ hero }) => hero === this.state.hero);
  }

  heard(hosts, choices) {
    Object.assign(this, { hosts, choices });
    this.draw();
  }

  draw() {
    this.offer();
    const { state, model, busy } = this;
    const known = state && "alive" in state;
    write(this.part("health"), known ? healthOf(state) : "");
    this.part("health").dataset.alive = known ? (state.alive ? "yes" : "no") : "";
    write(this.part("state-of"), known && state.alive ? (model ? `Loaded: ${model.id}` : "Not loaded there yet.") : "");
    this.part("state-of").dataset.loaded = model ? "yes" : "no";
    const own = state?.kind === "realm";
    if (!busy) {
      this.part("load").hidden = !own || Boolean(model);
      this.part("unload").hidden = !own || !model;
    }
    this.part("load").disabled = this.part("unload").disabled = Boolean(busy) || (known && !state.alive);
    this.onChange?.();
  }

  // The list is left alone while nothing in it changes: it may be open.
  offer() {
    const groups = this.groups();
    const drawn = JSON.stringify(groups);
    if (drawn === this.drawn) return;
    const before = this.checkpoint.value;
    this.checkpoint.replaceChildren(
      ...groups
        .filter(([, rows]) => rows.length)
        .map(([label, rows]) => {
          const group = document.createElement("optgroup");
          group.label = label;
          group.append(...rows.map(([value, text]) => new Option(text, value)));
          return group;
        }),
    );
    const step = before.split(" ")[0];
    const values = [...this.checkpoint.options].map((option) => option.value);
    this.checkpoint.value = values.includes(before)
      ? before
      : (values.find((value) => value.split(" ")[0] === step) ?? values[0]);
    this.drawn = drawn;
  }

  groups() {
    const { state } = this;
    if (state && state.kind !== "realm") return this.foreignGroups();
    const loaded = new Map(this.mine.map(({ step, name }) => [`${step} ${name}`, `Step ${whole(step)} · ${name}`]));
    for (const { value, label } of this.choices) if (loaded.has(value)) loaded.set(value, label);
    const rest = this.choices.filter(({ value }) => !loaded.has(value)).map(({ value, label }) => [value, label]);
    return [
      [`Loaded on ${this.host.value}`, [...loaded]],
      ["On disk", rest],
    ];
  }

  foreignGroups() {
    const served = new Set(this.mine.map(({ step }) => step));
    const rows = this.state.steps.map((step) => [String(step), step === 0 ? "Base model" : `Step ${whole(step)}`]);
    return [
      [`Served by ${this.host.value}`, rows.filter(([step]) => served.has(Number(step)))],
      ["Not served now", rows.filter(([step]) => !served.has(Number(step)))],
    ];
  }

  async order(event, address, doing) {
    event.preventDefault();
    const button = event.currentTarget;
    const text = button.textContent;
    const began = performance.now();
    const tick = () => write(button, `${doing}… ${Math.round((performance.now() - began) / 1000)} s`);
    const timer = setInterval(tick, TICK_MS);
    this.busy = true;
    write(this.part("refusal"), "");
    tick();
    this.draw();
    try {
      const answer = await post(address, this.chosen);
      if (!answer.success) write(this.part("refusal"), answer.error);
    } catch {
      write(this.part("refusal"), "The order did not reach the server. Try again.");
    }
    clearInterval(timer);
    this.busy = false;
    write(button, text);
    this.draw();
    await this.onOrdered?.();
  }
}

export async function post(address, value, options = {}) {
  const response = await ask(address, {
    method: "POST",
    body: JSON.stringify(value),
    headers: { "Content-Type": "application/json" },
    ...options,
  });
  return options.raw ? response : response.json();
}

function healthOf(state) {
  if (!state.alive) return state.trouble;
  const { status, device, memory_bytes: used, budget_bytes: budget, busy } = state.health;
  const memory = budget ? `${size(used ?? 0)} of ${size(budget)}` : "";
  const words = [status === "healthy" ? "" : status, device ?? state.device, memory, busy ? "busy" : ""];
  return words.filter(Boolean).join(" · ") || "ready";
}

function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
