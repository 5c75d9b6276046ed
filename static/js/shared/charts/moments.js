// Checkpoints, champions, levels and faults at the foot of a chart: hover tells, a click opens the checkpoint.

const WIDTH = 16; // CSS pixels: signs that are nearer are one
// The gravest last: where several are one, it is shown.
const SIGNS = [
  ["checkpoint", "locked-chest", "gold"],
  ["level", "upgrade", "arcane"],
  ["champion", "knight-banner", "gold"],
  ["lost", "cursed-star", "ember"],
  ["fault", "daemon-skull", "blood"],
];
const RANK = Object.fromEntries(SIGNS.map(([sign], at) => [sign, at]));
const KINDS = {
  checkpoint_saved: "checkpoint",
  new_champion: "champion",
  hero_level_up: "level",
  skill_level_up: "level",
  skill_level_regained: "level",
  skill_level_lost: "lost",
  fault: "fault",
};
const SVG = "http://www.w3.org/2000/svg";

// The moment that an entry of the chronicle is, or null.
export function momentOf({ kind, step, message, data }) {
  if (!(kind in KINDS)) return null;
  const name = data?.name ?? data?.checkpoint;
  const checkpoint = /^checkpoint-\d+-\d{8}-\d{4}$/.test(name ?? "") ? name : null;
  return { step, sign: KINDS[kind], text: message, checkpoint };
}

// A step without a finite loss is a moment of its own.
export function faultsOf({ step, loss }) {
  return step.flatMap((at, index) => (loss[index] === null ? [{ step: at, sign: "fault", text: `The loss of step ${at} is no number`, checkpoint: null }] : []));
}

export class Moments {
  // `href` makes a checkpoint's address from its name.
  constructor(chart, { sprite, href }) {
    Object.assign(this, { chart, sprite, href, moments: [], shown: "" });
    this.row = document.createElement("div");
    this.row.className = "moments";
    chart.node.append(this.row);
  }

  // [{x, sign, text, checkpoint}], rising.
  show(moments) {
    this.moments = moments;
    this.draw();
  }

  // Those at one place of the axis together.
  groups() {
    const { plot } = this.chart;
    const { min, max } = plot.scales.x;
    const [left, width] = [plot.over.offsetLeft, plot.over.clientWidth];
    const groups = [];
    for (const moment of this.moments) {
      if (!(moment.x >= min && moment.x <= max)) continue;
      const at = Math.min(left + width - WIDTH / 2, Math.max(left + WIDTH / 2, left + plot.valToPos(moment.x, "x")));
      const last = groups.at(-1);
      if (last && at - last.at < WIDTH) last.of.push(moment);
      else groups.push({ at, of: [moment] });
    }
    return groups;
  }

  draw() {
    if (!this.chart.plot || !this.chart.picture) return;
    const groups = this.groups();
    const shown = JSON.stringify(groups.map(({ at, of }) => [Math.round(at), of.length, of[0].text, of.at(-1).text]));
    if (shown === this.shown) return;
    this.shown = shown;
    while (this.row.childElementCount > groups.length) this.row.lastElementChild.remove();
    while (this.row.childElementCount < groups.length) this.row.append(this.blank());
    groups.forEach((group, index) => this.fill(this.row.children[index], group));
  }

  blank() {
    const link = document.createElement("a");
    link.tabIndex = -1; // by keyboard: Enter at its place in the chart
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("viewBox", "0 0 512 512");
    svg.setAttribute("aria-hidden", "true");
    svg.append(document.createElementNS(SVG, "use"));
    link.append(svg);
    return link;
  }

  fill(link, { at, of }) {
    const gravest = of.reduce((one, other) => (RANK[other.sign] >= RANK[one.sign] ? other : one));
    const [, icon, tone] = SIGNS[RANK[gravest.sign]];
    const words = of.length > 4 ? [...of.slice(0, 3).map(({ text }) => text), `and ${of.length - 3} more`] : of.map(({ text }) => text);
    link.className = `moment tone-${tone}`;
    link.title = words.join("\n");
    link.setAttribute("aria-label", words.join(". "));
    link.style.transform = `translateX(${at}px)`; // which moves nothing else
    link.querySelector("use").setAttribute("href", `${this.sprite}#gi-${icon}`);
    const named = of.findLast(({ checkpoint }) => checkpoint);
    link.role = named ? null : "img"; // what has words but leads nowhere
    if (named) link.href = this.href(named.checkpoint);
    else link.removeAttribute("href");
  }

  // What lies nearest to the crosshair is opened.
  openAt(x) {
    const { plot } = this.chart;
    const near = this.moments.filter((one) => one.checkpoint && Math.abs(plot.valToPos(one.x, "x") - plot.valToPos(x, "x")) <= WIDTH);
    if (near.length) location.assign(this.href(near.at(-1).checkpoint));
  }
}
