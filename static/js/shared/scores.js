// Validation losses, one curve for each set of rows: values over different rows are never one line.

const UNNAMED = { name: "validation", rows: null, sha256: "" }; // of releases that did not name their set

const measured = ({ val_loss, val_set, losses, sets }) => [
  [val_set ?? UNNAMED, val_loss],
  ...Object.entries(losses ?? {}).map(([name, loss]) => [sets?.[name], loss]),
];

// Into `curves`, as `{set, rows, sha256, points: [[step, loss]]}`; told twice, a point is there once.
export function addScores(curves, step, data) {
  for (const [over, loss] of measured(data)) {
    if (!over || !Number.isFinite(loss)) continue;
    const { points } = curveOf(curves, over);
    const last = points.at(-1);
    if (last && step < last[0]) continue;
    if (last && step === last[0]) points.pop();
    points.push([step, loss]);
  }
}

function curveOf(curves, { name, rows, sha256 }) {
  const short = sha256.slice(0, 8);
  const known = curves.find((curve) => curve.set === name && curve.sha256 === short);
  if (known) return known;
  const fresh = { set: name, rows, sha256: short, points: [] };
  curves.push(fresh);
  return fresh;
}
