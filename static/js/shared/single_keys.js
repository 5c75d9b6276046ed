// Single letters as keys: they can be switched off (WCAG 2.1.4), and are left alone where one types.

const STORED = "realm-keys";

export const areKeysOn = () => document.documentElement.dataset.keys !== "off" && localStorage.getItem(STORED) !== "off";

export const switchKeys = (on) => localStorage.setItem(STORED, on ? "on" : "off");

export function isSingleKey(event) {
  if (!areKeysOn() || event.ctrlKey || event.metaKey || event.altKey) return false;
  return !event.target.closest("input:not([type=checkbox], [type=range]), textarea, select, dialog[open]");
}
