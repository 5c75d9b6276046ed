// Two keys in a row lead from place to place: G then T, Q, O, U (the guild), V (the vault), S (the scheduler) or W (the
// watchtower). Left alone in inputs; switched off together with the other single keys.

const STORED = "realm-keys";
const PLACES = {
  t: "/",
  q: "/quests",
  o: "/oracle",
  u: "/guild",
  v: "/vault",
  s: "/scheduler",
  w: "/watchtower",
};
const PATIENCE_MS = 1500;

let askedAt = -Infinity;

document.addEventListener("keydown", (event) => {
  if (localStorage.getItem(STORED) === "off" || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (event.target.closest?.("input:not([type=checkbox]), textarea, select, dialog[open]")) return;
  const place = performance.now() - askedAt < PATIENCE_MS && PLACES[event.key];
  askedAt = event.key === "g" ? performance.now() : -Infinity;
  const link = place && document.querySelector(`.rail a[href="${place}"]`);
  if (link) location.assign(link.href);
});

const box = document.querySelector("#keys");
if (box) {
  box.checked = localStorage.getItem(STORED) !== "off";
  box.addEventListener("change", () => localStorage.setItem(STORED, box.checked ? "on" : "off"));
}

// On a phone the menu of further places closes when one looks elsewhere.
const closeMenus = (event) => {
  for (const menu of document.querySelectorAll(".more-places[open]"))
    if (!menu.contains(event.target)) menu.open = false;
};
document.addEventListener("click", closeMenus);
document.addEventListener("keydown", (event) => event.key === "Escape" && closeMenus({ target: document.body }));
