// The data table under the loss chart: the last steps as text, newest first.

import { loss, scientific, whole } from "../shared/format.js";

const ROWS = 20;

export function showRows(body, curve) {
  const first = Math.max(0, curve.step.length - ROWS);
  const rows = [];
  for (let at = curve.step.length - 1; at >= first; at--) {
    rows.push([whole(curve.step[at]), loss(curve.loss[at]), scientific(curve.lr[at])]);
  }
  while (body.rows.length > rows.length) body.deleteRow(-1);
  while (body.rows.length < rows.length) for (let cell = 0, row = body.insertRow(); cell < 3; cell++) row.insertCell();
  rows.forEach((texts, at) => texts.forEach((text, cell) => (body.rows[at].cells[cell].textContent = text)));
}
