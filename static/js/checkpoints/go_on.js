// "Go on from here" on any page: asked about first, then ordered without leaving the page.

import { Orders, post } from "../shared/orders.js";

const LOST = "The order did not reach the server: nothing was changed.";

document.addEventListener(
  "click",
  async (event) => {
    const button = event.target.closest("[data-go-on]");
    if (!button) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const data = new FormData(button.form);
    if (button.value) data.set("checkpoint", button.value);
    const [step, name] = data.get("checkpoint").split(" ");
    const whom = button.dataset.whom ?? (name === "base" ? "the base model" : `step ${step}`);
    if (!(await Orders.prototype.confirmed.call({ root: document }, asking(whom)))) return;
    show(await post(button.getAttribute("formaction") ?? button.form.action, data).catch(lost));
  },
  true,
);

const asking = (whom) => ({ dataset: { confirm: "ask-go-on", whom } });

function lost() {
  const node = document.createElement("p");
  node.className = "notice tone-blood";
  node.textContent = LOST;
  return { node };
}

function show({ node }) {
  node.setAttribute("role", "alert");
  document.querySelector("#notices").replaceChildren(node);
  node.scrollIntoView({ block: "nearest" });
}
