// The oracle's page: who answers, one or two at once, and what they say as they say it.

import { Ball } from "./ball.js";
import { QuestLive } from "../shared/live.js";
import { lines } from "./ndjson.js";
import { ask } from "../shared/logged_out.js";
import { randomUuid } from "../shared/random_keys.js";
import { Picker, post } from "./picker.js";
import { Sparing } from "../shared/sparing.js";
import { Thread } from "./thread.js";

const STATUS_MS = 8000;
const KEPT_MS = 300;
const KEPT_TRIES = 10;
const LOST = "The connection to the server broke off.";

class Oracle {
  constructor(root) {
    this.root = root;
    this.form = root.querySelector("#ask");
    this.message = root.querySelector("#message");
    this.stop = root.querySelector("#stop");
    this.send = root.querySelector("#send");
    this.beside = root.querySelector("#beside");
    this.second = root.querySelector("#second");
    this.key = this.form.elements.conversation?.value ?? randomUuid();
    this.ball = new Ball(root);
    this.thread = new Thread(root);
    const known = JSON.parse(root.querySelector("#picker").textContent);
    this.pickers = [...root.querySelectorAll(".picker")].map((fieldset) => new Picker(fieldset, known));
    for (const picker of this.pickers) {
      picker.onOrdered = () => this.askStatus();
      picker.onChange = () => this.nameThem();
    }
    this.listen();
    this.fold();
  }

  listen() {
    this.beside.closest("label").hidden = false;
    this.beside.addEventListener("change", () => this.showSecond());
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (!this.stopping) this.ask();
    });
    this.stop.addEventListener("click", () => this.stopping?.abort());
    this.message.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.form.requestSubmit(this.send);
    });
    this.askStatus();
    const again = () => this.askStatus();
    const sparing = new Sparing(document, { each: again, all: again });
    setInterval(() => document.hidden || sparing.want("status"), STATUS_MS);
  }

  showSecond() {
    this.second.hidden = this.second.disabled = !this.beside.checked;
    this.nameThem();
  }

  get answering() {
    return this.pickers.filter(({ fieldset }) => !fieldset.disabled);
  }

  nameThem() {
    this.root.querySelector("#who").textContent = this.answering
      .map(({ label, chosen }) => `${label} on ${chosen.host}`)
      .join(" and ");
  }

  // On a phone the choice would push the talk off the screen.
  fold() {
    const narrow = matchMedia("(max-width: 56.24375em)");
    const follow = () => (this.root.querySelector("#choosing").open = !narrow.matches);
    narrow.addEventListener("change", follow);
    follow();
    this.nameThem();
  }

  async askStatus() {
    try {
      const told = await (await ask("/oracle/status")).json();
      if (told.success) for (const picker of this.pickers) picker.heard(Object.values(told.hosts), told.checkpoints);
    } catch {
      // The pill tells that the server is gone.
    }
  }

  get sampling() {
    const { temperature, top_p: topP, max_tokens: most, seed } = this.form.elements;
    const chosen = {
      temperature: Number(temperature.value),
      top_p: Number(topP.value),
      max_tokens: Number(most.value),
    };
    return seed.value === "" ? chosen : { ...chosen, seed: Number(seed.value) };
  }

  async ask() {
    const text = this.message.value;
    if (!text.trim()) return;
    const { sampling } = this;
    const shared = {
      message: text,
      conversation: this.key,
      question: randomUuid(),
      stream: true,
      remember: this.form.elements.remember.checked,
      ...sampling,
    };
    const exchange = this.thread.ask(text);
    await this.hearAll(
      text,
      this.answering.map((picker, side) => ({
        picker,
        sampling,
        exchange,
        who: picker.label,
        loads: !picker.model && picker.state?.kind === "realm",
        order: { ...shared, ...picker.chosen, side, load: true },
      })),
    );
  }

  // The server keeps what was asked and whatever came of it.
  async hearAll(text, asked) {
    this.begin(text);
    const outcomes = await Promise.all(asked.map((one) => this.hear(one)));
    this.end(outcomes);
    this.askStatus();
    if (!outcomes.some(Boolean) && !this.message.value) this.message.value = text;
    await this.showKept().catch(() => {}); // the pill tells that the server is gone
  }

  begin(text) {
    this.stopping = new AbortController();
    this.stop.hidden = false;
    this.send.disabled = true;
    if (this.message.value === text) this.message.value = "";
    this.ball.show("thinking", "The mist gathers…");
  }

  end(outcomes) {
    this.stopping = null;
    this.stop.hidden = true;
    this.send.disabled = false;
    if (outcomes.some((kept) => kept)) this.ball.show("silent", "The ball is silent.");
    else this.ball.show("troubled", "The ball stays dark.");
    this.message.focus({ preventScroll: true });
  }

  // Whether something was said. Each answer is heard on its own: one may fail while the other goes on.
  async hear(asked) {
    const { exchange, who, loads, order, sampling } = asked;
    const answer = exchange.add(order.side);
    answer.waitFor(loads ? `Loading ${who}…` : who[0].toUpperCase() + who.slice(1));
    let said = false;
    try {
      const response = await post("/oracle/chat", order, { raw: true, signal: this.stopping.signal });
      for await (const line of lines(response)) {
        if (line.success === false) {
          answer.fail(line.error, { thrownAway: line.thrown_away });
          return false;
        }
        if ("response" in line) {
          answer.end(line, sampling);
          this.root.querySelector("#said-politely").textContent = `${who}: ${line.response}`;
          return true;
        }
        if ("text" in line) {
          answer.say(line.text);
          said = true;
          this.ball.show("speaking", "The oracle speaks.");
          this.ball.flash();
        } else answer.by(line);
      }
      answer.fail(LOST);
    } catch (error) {
      if (error.name === "AbortError") answer.stop();
      else answer.fail(LOST);
      return said && error.name === "AbortError";
    }
    return false;
  }

  // The list of conversations and the address, as the server has them now.
  async showKept() {
    const address = `/oracle/${this.key}`;
    if (location.pathname !== address && !(await this.isKept(address))) return;
    const page = await load(address);
    this.root.querySelector("#talks").replaceWith(page.querySelector("#talks"));
    this.root.querySelector("#talk-title").textContent = page.querySelector("#talk-title").textContent;
    document.title = page.title;
    if (location.pathname !== address) history.replaceState(null, "", address);
  }

  // The server keeps what was stopped only after it has seen that nobody listens any more.
  async isKept(address) {
    for (let tries = 0; tries < KEPT_TRIES; tries += 1) {
      const page = await load("/oracle");
      if (page.querySelector(`#talks a[href="${address}"]`)) return true;
      await new Promise((resolve) => setTimeout(resolve, KEPT_MS));
    }
    return false;
  }
}

async function load(address) {
  return new DOMParser().parseFromString(await (await ask(address)).text(), "text/html");
}

const oracle = new Oracle(document);
new QuestLive(document, {
  onEvent: ({ kind }) => kind.startsWith("checkpoint") && oracle.askStatus(),
  onState: () => {},
}).start();
