// A theme, a text size and the like are seen as soon as they are chosen; they last once they are kept.

const DRAWN = { theme: "theme", text_size: "textSize", numbers: "numbers", motion: "motion" };

export function tryOn(root) {
  const form = root.querySelector(".looks");
  const { dataset } = root.documentElement;
  form.addEventListener("change", ({ target }) => {
    const name = DRAWN[target.name];
    if (!name) return;
    if (target.value !== "system") dataset[name] = target.value;
    else if (name === "motion") delete dataset.motion;
    if (name !== "theme") return;
    if (target.value === "system") dataset.themeOf = "system";
    else delete dataset.themeOf;
    root.dispatchEvent(new Event("realm:theme"));
  });
}
