// Whether values need a logarithmic axis to be read.

const DECADE = 10;

export function spansDecade(values) {
  let [low, high] = [Infinity, 0];
  for (const value of values) {
    if (!(value > 0) || value === Infinity) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return high >= DECADE * low;
}
