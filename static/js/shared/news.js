// Sparks in the rail: by place the newest entry that this browser has seen there, kept in the browser.

const STORED = "realm-seen";

function read() {
  try {
    return JSON.parse(localStorage.getItem(STORED)) ?? {};
  } catch {
    return {};
  }
}

function see(link) {
  const seen = { ...read(), [link.dataset.place]: Number(link.dataset.newest) };
  localStorage.setItem(STORED, JSON.stringify(seen));
}

function draw(link) {
  const isNew = Number(link.dataset.newest) > (read()[link.dataset.place] ?? 0);
  const spark = link.querySelector(".spark");
  if (isNew === Boolean(spark)) return;
  if (spark) spark.remove();
  else {
    const node = document.createElement("b");
    node.className = "spark";
    const word = document.createElement("span");
    word.className = "unseen";
    word.textContent = " (news)";
    node.append(word);
    link.append(node);
  }
}

export function watchNews(root) {
  const links = [...root.querySelectorAll(".rail a[data-kinds]")];
  const look = (link) => {
    if (link.hasAttribute("aria-current") && !document.hidden) see(link);
    draw(link);
  };
  // Who comes for the first time has missed nothing.
  if (localStorage.getItem(STORED) === null) links.forEach(see);
  links.forEach(look);
  root.addEventListener("realm:event", ({ detail }) => {
    for (const link of links) {
      if (!link.dataset.kinds.split(" ").includes(detail.kind)) continue;
      link.dataset.newest = Math.max(detail.seq, Number(link.dataset.newest));
      look(link);
    }
  });
  root.addEventListener("visibilitychange", () => document.hidden || links.forEach(look));
}
