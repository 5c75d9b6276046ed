// The theme that the browser prefers, before the page is drawn; no module, since those wait for the document. Without
// scripts such a page is Lamplit.

{
  const root = document.documentElement;
  const contrast = matchMedia("(prefers-contrast: more)");
  const light = matchMedia("(prefers-color-scheme: light)");
  const follow = () => {
    if (root.dataset.themeOf !== "system") return;
    root.dataset.theme = contrast.matches ? "contrast" : light.matches ? "parchment" : "lamplit";
    const colour = getComputedStyle(root).getPropertyValue("--ink-950").trim();
    if (colour) document.querySelector("meta[name=theme-color]").content = colour;
  };
  follow();
  document.addEventListener("DOMContentLoaded", follow);
  document.addEventListener("realm:theme", follow);
  for (const one of [contrast, light]) one.addEventListener("change", follow);
}
