// The truth mirror: what a token is, under the pointer or by the arrow keys.

import { QuestLive } from "../shared/live.js";

const readout = document.querySelector("[data-readout]");
const at = new WeakMap();

function tell(token) {
  const { at: place, ids } = token.dataset;
  const kind = token.classList.contains("trained") ? "trained" : "masked";
  const special = token.classList.contains("special") ? ", special" : "";
  const many = ids.includes(",") ? "ids" : "id";
  readout.textContent = `Token ${place}, ${many} ${ids}, ${kind}${special}: “${token.textContent}”`;
}

function go(box, token) {
  if (!token) return;
  at.get(box)?.classList.remove("here");
  at.set(box, token);
  token.classList.add("here");
  token.scrollIntoView({ block: "nearest" });
  tell(token);
}

// The token above or below: the nearest one of the line that the caret would go to.
function beside(token, step) {
  const { left, top } = token.getBoundingClientRect();
  let line = null;
  let found = null;
  for (let other = next(token, step); other; other = next(other, step)) {
    const box = other.getBoundingClientRect();
    if (Math.abs(box.top - top) < 6 || (line !== null && Math.abs(box.top - line) > 6)) {
      if (line !== null) break;
      continue;
    }
    line ??= box.top;
    if (!found || Math.abs(box.left - left) < Math.abs(found.getBoundingClientRect().left - left)) found = other;
  }
  return found;
}

const next = (token, step) => (step > 0 ? token.nextElementSibling : token.previousElementSibling);

const KEYS = {
  ArrowRight: (box, token) => next(token, 1),
  ArrowLeft: (box, token) => next(token, -1),
  ArrowDown: (box, token) => beside(token, 1),
  ArrowUp: (box, token) => beside(token, -1),
  Home: (box) => box.firstElementChild,
  End: (box) => box.lastElementChild,
};

for (const box of document.querySelectorAll("[data-tokens]")) {
  box.addEventListener("pointerover", ({ target }) => target.dataset.ids && tell(target));
  box.addEventListener("click", ({ target }) => target.dataset.ids && go(box, target));
  box.addEventListener("focus", () => at.get(box) ?? (box.matches(":focus-visible") && go(box, box.firstElementChild)));
  box.addEventListener("keydown", (event) => {
    if (!KEYS[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    go(box, at.has(box) ? KEYS[event.key](box, at.get(box)) : box.firstElementChild);
  });
}

new QuestLive(document, { onEvent: () => {}, onState: () => {} }).start();
