// Where one battle or level ends and the next begins: a faint upright, a break in the lines, the past drawn faintly.

const lowest = (xs, least) => {
  let [low, high] = [0, xs.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (xs[middle] < least) low = middle + 1;
    else high = middle;
  }
  return low;
};

export const indexFrom = lowest;

export class Breaks {
  constructor(colour) {
    this.colour = colour; // asked for each time: themes change
    this.at = []; // [[x, label]], rising
    this.now = -Infinity; // what lies before is past
  }

  // For a series' `gaps`: from the last value before a mark to the first one after it.
  gaps = (plot, series, from, to, nullGaps) => {
    const gaps = this.at.map(([x]) => this.gap(plot, series, x)).filter(Boolean);
    return [...nullGaps, ...gaps].sort(([a], [b]) => a - b);
  };

  gap(plot, series, x) {
    const [xs, ys] = [plot.data[0], plot.data[series]];
    let after = lowest(xs, x);
    let before = after - 1;
    while (before >= 0 && ys[before] === undefined) before--;
    while (after < xs.length && ys[after] === undefined) after++;
    if (before < 0 || after >= xs.length) return null;
    const [start, end] = [before, after].map((index) => Math.round(plot.valToPos(xs[index], "x", true)));
    // Half a line's width more: two points on one pixel would be joined by an upright else.
    return [start - uPlot.pxRatio, end + uPlot.pxRatio];
  }

  // For a series' `stroke`: `faint` left of now, `strong` from there on.
  stroke(strong, faint) {
    return (plot) => {
      const { left, width } = plot.bbox;
      const { min, max } = plot.scales.x;
      if (!Number.isFinite(min) || !Number.isFinite(max) || !width || this.now <= min) return strong;
      if (this.now >= max) return faint;
      const cut = (this.now - min) / (max - min);
      const gradient = plot.ctx.createLinearGradient(left, 0, left + width, 0);
      for (const [stop, colour] of [
        [0, faint],
        [cut, faint],
        [cut, strong],
        [1, strong],
      ])
        gradient.addColorStop(stop, colour);
      return gradient;
    };
  }

  get plugin() {
    return { hooks: { drawAxes: (plot) => this.draw(plot) } };
  }

  draw({ ctx, bbox, scales, valToPos }) {
    const { min, max } = scales.x;
    const unit = uPlot.pxRatio;
    ctx.save();
    ctx.strokeStyle = ctx.fillStyle = this.colour();
    ctx.lineWidth = unit;
    ctx.font = `${10 * unit}px "Inter Variable", sans-serif`;
    for (const [x, label] of this.at.filter(([at]) => at >= min && at <= max)) {
      const left = Math.round(valToPos(x, "x", true)) + 0.5 * unit;
      ctx.beginPath();
      ctx.moveTo(left, bbox.top);
      ctx.lineTo(left, bbox.top + bbox.height);
      ctx.stroke();
      const roomRight = bbox.left + bbox.width - left > 40 * unit;
      ctx.textAlign = roomRight ? "left" : "right";
      ctx.fillText(label, left + (roomRight ? 4 : -4) * unit, bbox.top + 12 * unit);
    }
    ctx.restore();
  }
}
