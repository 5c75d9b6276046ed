// What has become of each of the hero's stats since the checkpoint before, as tavern/home/chips.py says it first.

import { hundredfold, percent, whole } from "../shared/format.js";

const SAY = { attack: hundredfold, defense: hundredfold, accuracy: percent };

export function showGains(root, hero) {
  for (const [stat, say] of Object.entries(SAY)) {
    const node = root.querySelector(`[data-delta=${stat}]`);
    if (node) show(node, hero[stat], hero[`${stat}_before`], hero[`${stat}_since`], say);
  }
}

function show(node, now, before, since, say) {
  const known = (now ?? null) !== null && (before ?? null) !== null;
  const change = known ? now - before : 0;
  const said = say(Math.abs(change));
  const text = !known || said === say(0) ? "" : `${change > 0 ? "▲" : "▼"} ${said}`;
  if (node.textContent === text) return;
  node.textContent = text;
  node.className = `delta${text ? (change > 0 ? " better" : " worse") : ""}`;
  node.title = known ? `since checkpoint ${whole(since)}` : "";
}
