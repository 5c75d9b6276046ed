// How high the y axis reaches: as the data do, or where outliers are clipped only to a percentile of what is in sight.

const SHARE = { p99: 0.99, p95: 0.95 };

export class Clip {
  by = "off";

  scale(lines, log) {
    const clipped = lines.flatMap(({ clips }, at) => (clips ? [at + 1] : []));
    const range = (plot, low, high) => {
      if (low === null || high === null) return [null, null];
      const top = this.by === "off" ? high : Math.max(low, Math.min(high, this.highest(plot, clipped) ?? high));
      return log ? uPlot.rangeLog(low, top, 10, true) : uPlot.rangeNum(low, top, 0.1, true);
    };
    return log ? { distr: 3, range } : { range };
  }

  highest(plot, columns) {
    const [from, to] = plot.series[0].idxs;
    const values = columns.flatMap((at) => plot.data[at].slice(from, to + 1).filter(Number.isFinite));
    return values.length ? quantile(values, SHARE[this.by]) : null;
  }
}

export function quantile(values, share) {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.ceil(share * sorted.length) - 1];
}
