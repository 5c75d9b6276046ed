// The dialog of one step: opened by whoever says `realm:blow` {battle, step}.

export function listenToBlows(root) {
  const dialog = root.querySelector("#blow");
  const body = dialog.querySelector("#blow-body");
  root.addEventListener("realm:blow", async ({ detail: { battle, step } }) => {
    if (!battle || !step) return;
    const address = `/battles/${encodeURIComponent(battle)}/steps/${step}`;
    await htmx.ajax("GET", address, { target: body, swap: "innerHTML" });
    if (body.childElementCount && !dialog.open) dialog.showModal();
  });
  // A click beside it closes it.
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => body.replaceChildren());
}
