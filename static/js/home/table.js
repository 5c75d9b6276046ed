// The data table under the loss chart: the last steps as text, newest first.

import { loss, scientific, whole } from "../shared/format.js";

const ROWS = 20;

// Of all sets together, those told last.
export function showScores(body, curves) {
  const all = curves.flatMap(({ set, rows, points }) => points.map(([step, value]) => [step, set, rows, value]));
  const last = all.sort(([one], [other]) => other - one).slice(0, ROWS);
  fill(
    body,
    last.map(([step, set, rows, value]) => [whole(step), set, whole(rows), loss(value)]),
  );
}

export function showRows(body, curve) {
  const first = Math.max(0, curve.step.length - ROWS);
  const rows = [];
  for (let at = curve.step.length - 1; at >= first; at--) {
    rows.push([whole(curve.step[at]), loss(curve.loss[at]), scientific(curve.lr[at])]);
  }
  fill(body, rows);
}

function fill(body, rows) {
  while (body.rows.length > rows.length) body.deleteRow(-1);
  while (body.rows.length < rows.length) {
    const row = body.insertRow();
    for (let cell = 0; cell < rows[0].length; cell++) row.insertCell();
  }
  rows.forEach((texts, at) => texts.forEach((text, cell) => (body.rows[at].cells[cell].textContent = text)));
}
