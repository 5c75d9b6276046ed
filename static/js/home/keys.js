// Single keys: P rests or resumes, L goes to the log, Y makes the loss axis logarithmic. They can be switched off,
// and are left alone in inputs.

const STORED = "realm-keys";

export function listenToKeys(root) {
  const box = root.querySelector("#keys");
  box.checked = localStorage.getItem(STORED) !== "off";
  box.addEventListener("change", () => localStorage.setItem(STORED, box.checked ? "on" : "off"));
  document.addEventListener("keydown", (event) => {
    if (!box.checked || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (event.target.closest("input:not([type=checkbox]), textarea, select, dialog[open]")) return;
    if (event.key === "p") root.querySelector("#order-resume, #order-pause")?.click();
    if (event.key === "y") root.querySelector("#log-scale").click();
    if (event.key === "l") root.querySelector("#log .scroll").focus();
  });
}
