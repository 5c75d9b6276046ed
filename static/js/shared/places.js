// Two keys in a row lead from place to place: G, then the key that stands at the place's link. A spark at a link says
// that something has happened there since one was there last.

import { watchNews } from "./news.js";
import { areKeysOn, isSingleKey, switchKeys } from "./single_keys.js";

const PATIENCE_MS = 1500;

let askedAt = -Infinity;

document.addEventListener("keydown", (event) => {
  if (!isSingleKey(event) || event.repeat) return;
  const isSecond = performance.now() - askedAt < PATIENCE_MS;
  askedAt = event.key === "g" ? performance.now() : -Infinity;
  const link = isSecond && document.querySelector(`.rail a[data-key="${CSS.escape(event.key)}"]`);
  if (!link) return;
  event.stopImmediatePropagation(); // P is a key of its own, too
  location.assign(link.href);
});

const box = document.querySelector("#keys");
if (box) {
  box.checked = areKeysOn();
  box.addEventListener("change", () => switchKeys(box.checked));
}
watchNews(document);

// The menu of further places closes when one looks elsewhere.
const closeMenus = (event) => {
  for (const menu of document.querySelectorAll(".more-places[open]"))
    if (!menu.contains(event.target)) menu.open = false;
};
document.addEventListener("click", closeMenus);
document.addEventListener("keydown", (event) => event.key === "Escape" && closeMenus({ target: document.body }));

// One key each: ? lists all keys, / goes to where one types.
document.addEventListener("keydown", (event) => {
  if (!isSingleKey(event) || event.repeat) return;
  if (event.key === "?") document.querySelector("#keys-help").showModal();
  const field = event.key === "/" && document.querySelector("#message, input[type=search]");
  if (!field) return;
  event.preventDefault();
  field.focus();
});
document.addEventListener("click", (event) => {
  if (!event.target.closest?.("[data-lists-keys]") || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  document.querySelector("#keys-help").showModal();
});
