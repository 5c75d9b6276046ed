// Lines to copy, such as the one that loads an exported checkpoint elsewhere.

const SHOWN_MS = 1500;

export function offerCopies(root) {
  const show = () => {
    for (const button of root.querySelectorAll("[data-copies]")) button.hidden = !navigator.clipboard;
  };
  root.body.addEventListener("htmx:afterSettle", show);
  root.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copies]");
    if (!button) return;
    await navigator.clipboard.writeText(button.parentElement.querySelector("code").textContent);
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), SHOWN_MS);
  });
  show();
}
