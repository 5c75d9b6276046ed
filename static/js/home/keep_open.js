// A panel that is fetched anew stays as the player opened it.

export function keepOpen(body) {
  let open = [];
  body.addEventListener("htmx:beforeSwap", ({ detail }) => {
    open = [...detail.target.querySelectorAll("details[open]")].map((node) => node.id);
  });
  body.addEventListener("htmx:afterSwap", () => {
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    open = [];
  });
}
