// The charts as one picture to hand on, each under its title.

const EDGE = 16; // CSS pixels
const TITLE = 28;

const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

export async function savePicture(charts, name) {
  const unit = uPlot.pxRatio;
  const canvases = charts.map(({ plot }) => plot.ctx.canvas);
  const paper = document.createElement("canvas");
  paper.width = Math.max(...canvases.map(({ width }) => width)) + 2 * EDGE * unit;
  paper.height = canvases.reduce((sum, { height }) => sum + height + (TITLE + EDGE) * unit, EDGE * unit);
  const ink = paper.getContext("2d");
  ink.fillStyle = token("ink-900");
  ink.fillRect(0, 0, paper.width, paper.height);
  ink.font = `600 ${14 * unit}px "Inter Variable", sans-serif`;
  ink.textBaseline = "middle";
  let top = EDGE * unit;
  charts.forEach(({ picture }, at) => {
    ink.fillStyle = token("text");
    ink.fillText(`${picture.kind.title} · ${name}`, EDGE * unit, top + (TITLE / 2) * unit);
    ink.drawImage(canvases[at], EDGE * unit, top + TITLE * unit);
    top += canvases[at].height + (TITLE + EDGE) * unit;
  });
  const blob = await new Promise((done) => paper.toBlob(done, "image/png"));
  const link = document.createElement("a");
  link.download = `${name.replace(/[^\w.-]+/g, "-") || "curves"}.png`;
  link.href = URL.createObjectURL(blob);
  link.click();
  URL.revokeObjectURL(link.href);
}
