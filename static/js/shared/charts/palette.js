// Colours are tokens of the sheet, so that a theme changes curves as it changes words.

export const colour = (token) => getComputedStyle(document.documentElement).getPropertyValue(`--${token}`).trim();

export const faint = (tone, percent = 28) => `color-mix(in srgb, ${tone} ${percent}%, transparent)`;

// Told after the sheet has the new colours.
export function onTheme(change) {
  const told = () => requestAnimationFrame(change);
  new MutationObserver(told).observe(document.documentElement, { attributeFilter: ["data-theme", "data-numbers"] });
}
