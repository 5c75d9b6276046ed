// Rows that hold every word that is typed stay, with their groups open; the others are hidden.

export function find(root) {
  const search = root.querySelector("#settings-search");
  const groups = [...root.querySelectorAll(".group")].map((group) => ({ group, wasOpen: group.open }));
  const show = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const { group, wasOpen } of groups) {
      const rows = [...group.querySelectorAll(".setting")];
      for (const row of rows) row.hidden = !words.every((word) => row.dataset.words.toLowerCase().includes(word));
      const left = rows.filter((row) => !row.hidden).length;
      group.hidden = left === 0;
      group.open = words.length ? left > 0 : wasOpen;
      count += left;
    }
    root.querySelector(".nothing").hidden = count > 0;
  };
  search.addEventListener("input", show);
  search.form.addEventListener("submit", (event) => event.preventDefault());
  const open = () => {
    const row = location.hash && root.getElementById(decodeURIComponent(location.hash.slice(1)));
    const group = row?.closest?.(".group");
    if (!group) return;
    group.open = true;
    row.scrollIntoView();
  };
  addEventListener("hashchange", open);
  open();
  if (search.value) show();
}
