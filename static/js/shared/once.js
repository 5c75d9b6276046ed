// A form that posts is sent once: a second click while the first one is under way does nothing. What scripts or htmx send
// prevents the form's own sending and is not held.

const HELD_MS = 8000; // where no page came of it, one may try again

addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || (event.submitter?.formMethod || form.method) !== "post") return;
  if ("sending" in form.dataset) {
    event.preventDefault();
    return;
  }
  form.dataset.sending = "";
  setTimeout(() => delete form.dataset.sending, HELD_MS);
});

// The page as the browser keeps it for going back.
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sending]")) delete form.dataset.sending;
});
