// EMA with bias correction, begun anew at each index of `restarts`. What is not finite is left out of it and stays
// a gap.

export function smoothed(values, decay, restarts = new Set()) {
  let [last, weight] = [0, 1];
  return values.map((value, index) => {
    if (restarts.has(index)) [last, weight] = [0, 1];
    if (!Number.isFinite(value)) return null;
    last = last * decay + (1 - decay) * value;
    weight *= decay;
    return last / (1 - weight);
  });
}
