// At a line's end its dash and its name, so that colour is never the only thing that tells lines apart.

const DASH = 14; // CSS pixels
const LINE = 12;
const MOST_LETTERS = 12;
const FONT = '"Inter Variable", sans-serif';

const cut = (name, room) => (name.length > room ? `${name.slice(0, room - 1)}…` : name);

export class LineEnds {
  // `lines` as kinds.js makes them; those without `end` get none.
  constructor(lines, wide) {
    this.letters = wide ? MOST_LETTERS : MOST_LETTERS / 2;
    this.named = lines.map((line, at) => ({ ...line, column: at + 1 })).filter(({ end }) => end);
    if (this.named.length < 2) this.named = [];
    const longest = Math.max(0, ...this.named.map(({ end }) => cut(end, this.letters).length));
    this.room = this.named.length ? DASH + 10 + longest * 5.6 : 0;
  }

  get plugin() {
    return { hooks: { draw: (plot) => this.draw(plot) } };
  }

  draw(plot) {
    const { ctx, bbox } = plot;
    const unit = uPlot.pxRatio;
    const left = bbox.left + bbox.width + 4 * unit;
    ctx.save();
    ctx.font = `${10 * unit}px ${FONT}`;
    ctx.textBaseline = "middle";
    ctx.textAlign = "left";
    for (const { line, y } of this.places(plot)) {
      ctx.strokeStyle = ctx.fillStyle = line.stroke;
      ctx.lineWidth = line.width * unit;
      ctx.setLineDash((line.dash ?? []).map((part) => part * unit));
      ctx.beginPath();
      ctx.moveTo(left, y);
      ctx.lineTo(left + DASH * unit, y);
      ctx.stroke();
      ctx.fillText(cut(line.end, this.letters), left + (DASH + 4) * unit, y);
    }
    ctx.restore();
  }

  // From the top down, none on another.
  places(plot) {
    const { bbox } = plot;
    const [min, max] = plot.series[0].idxs;
    const step = LINE * uPlot.pxRatio;
    const ends = this.named.flatMap((line) => {
      const column = plot.data[line.column];
      let at = max;
      while (at >= min && !Number.isFinite(column[at])) at--;
      return at < min ? [] : [{ line, y: plot.valToPos(column[at], "y", true) }];
    });
    ends.sort((one, other) => one.y - other.y);
    let next = bbox.top + step / 2;
    for (const end of ends) next = (end.y = Math.max(end.y, next)) + step;
    next = bbox.top + bbox.height - step / 2;
    for (const end of ends.reverse()) next = (end.y = Math.min(end.y, next)) - step;
    return ends;
  }
}
