// Where a bar stands between two ticks: it goes on at the measured speed, but never past what may be true.

export function smoothStep({ step, total, sps, done, tickSeconds, sinceTick }, before = 0) {
  if (done) return total;
  const guess = step + (sps ?? 0) * sinceTick;
  const farthest = step + Math.max(1, (sps ?? 0) * 1.5 * tickSeconds);
  const shown = Math.min(guess, farthest, total - 1);
  return Math.max(before, Math.min(shown, total - 1));
}
