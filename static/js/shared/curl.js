// "As curl": the line holds what the form holds now, and is copied by a button.

const READ = {
  flag: (field) => field.checked || undefined,
  number: (field) => (field.value.trim() === "" ? undefined : Number(field.value)),
  numbers: (field) => numbers(field.value),
  value: (field) => (field.value === "" ? undefined : value(field.value)),
  words: (field) => field.value.split(",").map((word) => word.trim()).filter(Boolean),
  list: (field) => [...(field.forEach ? field : [field])].filter((box) => box.checked).map((box) => box.value),
  pairs: (field) => pairs(field.value),
  text: (field) => field.value || undefined,
};

// `1-3, 7` as [1, 2, 3, 7].
function numbers(text) {
  const found = text.split(",").flatMap((part) => {
    const [first, last = first] = part.split("-").map(Number);
    return part.trim() ? Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => first + index) : [];
  });
  return found.length ? found : undefined;
}

// What a settings file would read there: a number, a truth value, or the word itself.
function value(word) {
  try {
    return JSON.parse(word);
  } catch {
    return word;
  }
}

// `epochs=3 mode=lora` as an object.
function pairs(text) {
  const found = text.split(/\s+/).filter((pair) => pair.includes("="));
  const entries = found.map((pair) => [pair.slice(0, pair.indexOf("=")), value(pair.slice(pair.indexOf("=") + 1))]);
  return entries.length ? Object.fromEntries(entries) : undefined;
}

export function lineOf(details) {
  const { head, body, fields } = details.dataset;
  const values = JSON.parse(body);
  const form = details.closest("form")?.elements;
  for (const [key, spec] of Object.entries(JSON.parse(fields))) {
    const [name, kind = "text"] = spec.split(":");
    values[key] = form?.[name] ? READ[kind](form[name]) : undefined;
  }
  return `${head} '${JSON.stringify(values).replaceAll("'", "'\\''")}'`;
}

// By plain http: there is no clipboard to write to; what is marked can be copied.
async function copy(code) {
  if (navigator.clipboard) return navigator.clipboard.writeText(code.textContent);
  getSelection().selectAllChildren(code);
  document.execCommand("copy");
}

document.addEventListener(
  "toggle",
  ({ target }) => {
    if (!target.matches?.(".curl") || !target.open) return;
    target.querySelector("code").textContent = lineOf(target);
    target.querySelector("[data-copies]").hidden = false;
  },
  true,
);
document.addEventListener("click", async ({ target }) => {
  const button = target.closest?.("[data-copies]");
  if (!button) return;
  const details = button.closest(".curl");
  const code = details.querySelector("code");
  code.textContent = lineOf(details);
  await copy(code);
  button.textContent = "Copied";
  setTimeout(() => (button.textContent = "Copy"), 2000);
});
