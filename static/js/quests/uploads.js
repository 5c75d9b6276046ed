// New quests: files chosen or dropped anywhere on the board, sent in slices, three files at a time; pasted rows.

import { leaveIfRefused } from "../shared/logged_out.js";
import { post } from "../shared/orders.js";
import { randomKey } from "../shared/random_keys.js";
import { size } from "../shared/format.js";

const SLICE_BYTES = 4 * 1024 * 1024;
const AT_ONCE = 3;
const TRIES = 5;
const ENDINGS = /\.jsonl(\.gz|\.zst)?$/i;
const CLOSES_MS = 6000;

export class Uploads {
  constructor(root, { live, onTaken }) {
    Object.assign(this, { root, live, onTaken });
    this.list = root.querySelector("#uploads");
    this.form = root.querySelector("#add-form");
    this.url = this.form.dataset.slices;
    this.waiting = [];
    this.sending = 0;
    this.depth = 0;
    this.known = new Set(); // a small file may be judged before its own upload is answered
    this.atGate = new Set();
  }

  listen() {
    this.form.addEventListener("submit", (event) => this.chosen(event));
    const paste = this.root.querySelector("#paste-form");
    paste.addEventListener("submit", (event) => this.pasted(event, paste));
    this.root.addEventListener("dragenter", (event) => this.hover(event, 1));
    this.root.addEventListener("dragleave", (event) => this.hover(event, -1));
    this.root.addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault());
    this.root.addEventListener("drop", (event) => this.dropped(event));
    addEventListener("beforeunload", (event) => (this.sending || this.waiting.length) && event.preventDefault());
  }

  hover(event, step) {
    if (!hasFiles(event)) return;
    this.depth = Math.max(0, this.depth + step);
    this.root.querySelector("#drop-here").hidden = this.depth === 0;
  }

  dropped(event) {
    if (!hasFiles(event)) return;
    event.preventDefault();
    this.depth = 0;
    this.root.querySelector("#drop-here").hidden = true;
    const lane = event.target.closest?.("[data-lane]")?.dataset.lane;
    this.add(event.dataTransfer.files, lane ? { priority: lane, hold: false } : this.wishes());
  }

  chosen(event) {
    event.preventDefault();
    const { files } = this.form.elements;
    if (!files.files.length) return files.focus();
    this.add(files.files, this.wishes());
    files.value = "";
    this.form.closest("dialog").close();
  }

  wishes() {
    const { priority, hold, preset, recipe, confirmed } = this.form.elements;
    return {
      priority: priority.value,
      hold: hold.checked,
      preset: preset.value,
      recipe: recipe.value,
      confirmed: confirmed.checked,
    };
  }

  async pasted(event, form) {
    event.preventDefault();
    const refusal = form.querySelector(".refusal");
    refusal.textContent = "";
    try {
      const answer = await post(form.action, new FormData(form));
      if (!answer.ok) return void (refusal.textContent = answer.text);
      this.live.toasts.announce(answer.text);
      this.root.querySelector("#notices").replaceChildren(answer.node);
      setTimeout(() => answer.node.remove(), CLOSES_MS);
      form.reset();
      form.closest("dialog").close();
      this.onTaken();
    } catch {
      refusal.textContent = "It did not reach the server: nothing was posted. Try again when the page is live.";
    }
  }

  add(files, wishes) {
    for (const file of files) {
      const row = new Row(file.name, () => this.onClose(row));
      this.list.append(row.node);
      if (ENDINGS.test(file.name)) this.waiting.push(new Upload(file, wishes, this.url, this.token, row));
      else row.refuse(`${file.name} is no quest: only .jsonl, .jsonl.gz and .jsonl.zst files are taken.`);
    }
    this.next();
  }

  get token() {
    return this.form.elements.csrfmiddlewaretoken.value;
  }

  onClose(row) {
    const upload = this.waiting.find((other) => other.row === row);
    if (upload) this.waiting.splice(this.waiting.indexOf(upload), 1);
  }

  // The gatekeepers have judged it: it stands in its list from now on.
  judged(quest) {
    if (this.sending) this.known.add(quest);
    for (const row of this.atGate) if (row.quest === quest) row.end();
  }

  async next() {
    while (this.sending < AT_ONCE && this.waiting.length) {
      this.sending += 1;
      this.send(this.waiting.shift());
    }
  }

  async send(upload) {
    const taken = await upload.run();
    this.sending -= 1;
    if (taken) this.live.toasts.announce(`${upload.row.name} is at the gate`);
    if (taken && this.known.has(upload.row.quest)) upload.row.end();
    this.atGate = new Set([...this.atGate, upload.row].filter((row) => row.quest && row.node.isConnected));
    if (!this.sending) this.known.clear();
    this.onTaken();
    this.next();
  }
}

class Upload {
  constructor(file, wishes, url, token, row) {
    Object.assign(this, { file, wishes, url, token, row });
    this.key = randomKey();
    row.onStop = () => this.stop();
  }

  stop() {
    this.stopped = true;
    this.request?.abort();
  }

  async run() {
    let [offset, failures] = [0, 0];
    while (!this.stopped) {
      const answer = await this.sendSlice(offset);
      if (this.stopped) return false;
      if (answer.status === 201) return this.row.done(answer.body.name);
      if (answer.status === 200) [offset, failures] = [offset + this.lengthAt(offset), 0];
      else if (answer.status === 409) offset = answer.body.size ?? 0;
      else if (answer.body?.refused) return this.row.refuse(answer.body.refused);
      failures += answer.status === 200 ? 0 : 1;
      if (failures > TRIES)
        return this.row.refuse(
          "It could not be sent: the server does not answer. Drop it again when the page is live.",
        );
      if (answer.status === 0) await new Promise((resolve) => setTimeout(resolve, 1000 * failures));
    }
    return false;
  }

  lengthAt(offset) {
    return Math.min(SLICE_BYTES, this.file.size - offset);
  }

  sendSlice(offset) {
    const query = new URLSearchParams({
      name: this.file.name,
      offset,
      total: this.file.size,
      priority: this.wishes.priority,
    });
    for (const name of ["hold", "confirmed"]) if (this.wishes[name]) query.set(name, "on");
    for (const name of ["preset", "recipe"]) if (this.wishes[name]) query.set(name, this.wishes[name]);
    return new Promise((resolve) => {
      const request = new XMLHttpRequest();
      this.request = request;
      request.open("POST", `${this.url}/${this.key}?${query}`);
      request.setRequestHeader("X-CSRFToken", this.token);
      request.setRequestHeader("Content-Type", "application/octet-stream");
      request.responseType = "json";
      request.upload.onprogress = ({ loaded }) => this.row.show(offset + loaded, this.file.size);
      request.onloadend = () => {
        const { status, responseURL: url, response: body } = request;
        leaveIfRefused({ status, url, redirected: Boolean(url) });
        resolve({ status, body });
      };
      request.send(this.file.slice(offset, offset + SLICE_BYTES));
    });
  }
}

// One file's line: its name, a bar, and a word.
class Row {
  constructor(name, onClose) {
    this.name = name;
    this.node = document.createElement("li");
    this.node.className = "upload";
    this.what = this.part("span", "what", name);
    this.bar = this.part("span", "bar");
    for (const [key, value] of Object.entries({
      role: "progressbar",
      "aria-valuemin": 0,
      "aria-valuemax": 100,
      "aria-valuenow": 0,
    }))
      this.bar.setAttribute(key, value);
    this.bar.setAttribute("aria-label", `${name}: sent`);
    this.bar.append(picture());
    this.said = this.part("span", "said", "waits");
    const close = this.part("button", "", "×");
    close.type = "button";
    close.setAttribute("aria-label", `Take away ${name}`);
    close.addEventListener("click", () => {
      this.onStop?.();
      onClose();
      this.node.remove();
    });
  }

  part(tag, name, text = "") {
    const node = document.createElement(tag);
    node.className = name;
    node.textContent = text;
    this.node.append(node);
    return node;
  }

  show(sent, total) {
    const share = total ? Math.min(1, sent / total) : 1;
    this.bar.querySelector("rect").style.transform = `scaleX(${share.toFixed(4)})`;
    this.bar.setAttribute("aria-valuenow", Math.trunc(share * 100));
    this.said.textContent = `${Math.trunc(share * 100)}% of ${size(total)}`;
  }

  done(file) {
    this.quest = file.replace(ENDINGS, "");
    this.node.dataset.state = "done";
    this.show(1, 1);
    this.said.textContent = "at the gate";
    setTimeout(() => this.end(), CLOSES_MS);
    return true;
  }

  end() {
    this.node.remove();
  }

  refuse(sentence) {
    this.node.dataset.state = "refused";
    this.bar.remove();
    this.said.setAttribute("role", "alert");
    this.said.textContent = sentence;
    return false;
  }
}

function picture() {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  for (const [key, value] of Object.entries({ viewBox: "0 0 1 1", preserveAspectRatio: "none", "aria-hidden": "true" }))
    svg.setAttribute(key, value);
  const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  rect.setAttribute("width", "1");
  rect.setAttribute("height", "1");
  rect.style.transform = "scaleX(0)";
  svg.append(rect);
  return svg;
}

const hasFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
