// What was asked and answered. All of it is text: nothing that a model says becomes markup.

import { rate, whole } from "../shared/format.js";

export class Thread {
  constructor(root) {
    this.list = root.querySelector("#thread");
    this.blank = root.querySelector("#blank-answer").content;
  }

  ask(text) {
    const exchange = document.createElement("li");
    exchange.className = "exchange";
    const asked = document.createElement("p");
    asked.className = "prompt";
    asked.textContent = text;
    const answers = document.createElement("div");
    answers.className = "answers";
    exchange.append(asked, answers);
    this.list.append(exchange);
    exchange.scrollIntoView({ block: "nearest" });
    return { add: (side) => new Answer(answers, this.blank, side), remove: () => exchange.remove() };
  }
}

class Answer {
  constructor(place, blank, side) {
    this.node = blank.cloneNode(true).firstElementChild;
    this.node.dataset.side = side;
    this.node.classList.add("speaking");
    place.insertBefore(this.node, [...place.children].find((other) => Number(other.dataset.side) > side) ?? null);
    this.text = document.createTextNode("");
    this.part("said").append(this.text);
  }

  part(name) {
    return this.node.querySelector(`[data-part="${name}"]`);
  }

  by({ step, model, model_path: path, sha256, host, earlier_turns: earlier }) {
    this.part("step").textContent = step === 0 ? "Base model" : `Step ${whole(step)}`;
    this.part("model").textContent = model;
    this.part("model").title = path;
    this.part("sha256").textContent = sha256 ? sha256.slice(0, 12) : "no digest";
    this.part("sha256").title = sha256 ? `SHA-256 of the weights: ${sha256}` : "A foreign host tells no digest";
    this.part("host").textContent = host;
    this.part("earlier").textContent = `read ${earlier} earlier turn${earlier === 1 ? "" : "s"}`;
  }

  waitFor(who) {
    this.part("step").textContent = who;
  }

  // Whoever reads along is carried along; whoever has scrolled away is left there.
  grow(change) {
    const low = this.node.getBoundingClientRect().bottom < innerHeight;
    change();
    if (low) this.node.scrollIntoView({ block: "nearest" });
  }

  say(text) {
    this.grow(() => this.text.appendData(text));
  }

  end(reply, sampling) {
    this.grow(() => this.label(reply, sampling));
  }

  label(reply, sampling) {
    this.node.classList.remove("speaking");
    if (reply.tokens_per_second !== null) this.part("speed").textContent = `${rate(reply.tokens_per_second)} tok/s`;
    this.part("sampling").textContent = manner(sampling);
    this.part("ended").textContent = ending(reply, sampling);
  }

  stop() {
    this.node.classList.remove("speaking");
    this.part("ended").textContent = "Stopped.";
  }

  remove() {
    this.node.remove();
  }

  // Words that prove to be another's are taken back; what was only broken off stays.
  fail(told, { thrownAway = false } = {}) {
    this.node.classList.remove("speaking");
    this.node.classList.add("trouble");
    if (thrownAway) this.text.data = "";
    this.part("ended").textContent = told;
    this.part("ended").setAttribute("role", "alert");
  }
}

function ending({ finish_reason: reason, tokens, response, forgotten }, { max_tokens: most }) {
  const told = [];
  if (reason === "length") told.push(`Cut off after ${whole(tokens ?? most)} tokens.`);
  else if (!response) told.push("It said nothing.");
  if (forgotten)
    told.push(
      `It did not read the oldest ${forgotten === 1 ? "exchange" : `${forgotten} exchanges`}: its context is full.`,
    );
  return told.join(" ");
}

function manner({ temperature, top_p: topP, seed }) {
  if (temperature === 0) return "greedy";
  return [`t ${temperature}`, topP < 1 ? `p ${topP}` : "", seed === undefined ? "" : `seed ${seed}`]
    .filter(Boolean)
    .join(", ");
}
