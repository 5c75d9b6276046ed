// The data table under the loss chart: the last steps as text, newest first.

import { compact, loss, percent, scientific, size, whole } from "../shared/format.js";

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

export function showAccuracies(body, accuracy) {
  const last = accuracy.slice(-ROWS).reverse();
  fill(
    body,
    last.map(([step, share, skill, level]) => [whole(step), skill, whole(level), percent(share)]),
  );
}

export function showRows(body, { curve, course }) {
  const first = Math.max(0, curve.step.length - ROWS);
  const rows = [];
  for (let at = curve.step.length - 1; at >= first; at--) {
    const seconds = course.seconds[at] - (course.seconds[at - 1] ?? 0);
    const speed = seconds > 0 ? (course.tokens[at] - (course.tokens[at - 1] ?? 0)) / seconds : null;
    rows.push([
      whole(curve.step[at]),
      loss(curve.loss[at]),
      scientific(curve.lr[at]),
      loss(course.norm[at]),
      compact(speed),
      size(course.memory[at]),
    ]);
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
