// The hour: dusk when a battle begins, midnight at its half, dawn at its end.

export function showHour(picture, progress) {
  const day = progress === null ? 0 : progress;
  const hour = day.toFixed(3);
  if (picture.dataset.hour === hour) return;
  picture.dataset.hour = hour;
  picture.style.setProperty("--night", Math.min(1, day * 2).toFixed(3));
  picture.style.setProperty("--dawn", Math.max(0, day * 2 - 1).toFixed(3));
  picture.style.setProperty("--moon-x", `${(180 * (day - 0.3)).toFixed(1)}px`);
  picture.style.setProperty("--moon-y", `${(42 - 168 * day * (1 - day)).toFixed(1)}px`);
}
