// One battle's columns, or those of several that led to each other, and where a step stands on each kind of axis.

import { ask } from "../logged_out.js";
import { indexFrom } from "./breaks.js";

const COLUMNS = ["step", "loss", "lr", "norm", "tokens", "seconds", "memory"];
const POINTS = 2000;

export class Run {
  // `step` rises; where it goes back, what came before from there on was rolled back and is left out. `since` is the
  // step before the battle's first one, `starts` are those before each battle after another one.
  constructor({ id, label, since = 0, starts = [], accuracy = [], ghost = false, ...columns }) {
    Object.assign(this, { id, label, since, accuracy, ghost });
    const { kept, resumed } = straightened(columns.step);
    for (const name of COLUMNS) {
      const column = columns[name] ?? columns.step.map(() => null);
      this[name] = kept ? kept.map((index) => column[index]) : column;
    }
    this.breaks = [...starts, ...resumed].sort((one, other) => one - other);
  }

  xs(mode) {
    return mode === "tokens" ? this.tokens : mode === "time" ? this.seconds : this.step;
  }

  // Where the hero's step stands; one that is not drawn stands at the next one that is.
  at(step, mode) {
    if (mode === "step" || !this.step.length) return step;
    if (step < this.step[0]) return 0;
    return this.xs(mode)[Math.min(indexFrom(this.step, step), this.step.length - 1)];
  }

  // Between the step and the one after it.
  behind(step, mode) {
    if (mode === "step") return step + 0.5;
    const after = indexFrom(this.step, step + 1);
    const xs = this.xs(mode);
    return after && after < xs.length ? (xs[after - 1] + xs[after]) / 2 : (xs[after] ?? Infinity) - 1e-9;
  }

  // As if it had begun where the battle of `main` did.
  beside(main, mode) {
    const by = main.origin(mode) - this.origin(mode);
    return this.xs(mode).map((x) => x + by);
  }

  // Where its battle begins.
  origin(mode) {
    if (mode === "step") return Number.isFinite(this.since) ? this.since : (this.step.at(-1) ?? 0);
    return this.xs(mode)[indexFrom(this.step, this.since + 1) - 1] ?? 0;
  }

  get restarts() {
    return new Set(this.breaks.map((step) => indexFrom(this.step, step + 1)));
  }

  // Tokens a second since the point before.
  get speed() {
    return this.tokens.map((tokens, at) => {
      const seconds = this.seconds[at] - (this.seconds[at - 1] ?? 0);
      return seconds > 0 ? (tokens - (this.tokens[at - 1] ?? 0)) / seconds : null;
    });
  }
}

// The indices to keep and the steps after which the line goes on elsewhere; `kept` is null where that is all.
function straightened(steps) {
  if (steps.every((step, at) => at === 0 || step > steps[at - 1])) return { kept: null, resumed: [] };
  const [kept, resumed] = [[], []];
  steps.forEach((step, index) => {
    const back = kept.length > 0 && steps[kept.at(-1)] >= step;
    while (kept.length && steps[kept.at(-1)] >= step) kept.pop();
    if (back) resumed.push(step - 1);
    kept.push(index);
  });
  return { kept, resumed };
}

// What the server tells of any battle, as `curve` of `/api/training/runs/{id}/curve`. From its own beginning, which
// lets several be compared, or by the hero's steps.
export function runOf(curve, { label = curve.quest, ghost = false, own = false } = {}) {
  const first = own ? (curve.first_step ?? 0) : 0;
  const back = (step) => step - first;
  return {
    run: new Run({
      ...curve,
      id: curve.battle,
      label,
      ghost,
      since: (curve.first_step ?? 0) - first,
      step: curve.step.map(back),
      accuracy: curve.accuracy.map(([step, ...rest]) => [back(step), ...rest]),
    }),
    validation: curve.validation.map((set) => ({ ...set, points: set.points.map(([step, loss]) => [back(step), loss]) })),
    marks: curve.marks.map((mark) => ({ ...mark, step: back(mark.step), of: mark.step })),
  };
}

// Null where nothing is known of it.
export async function fetchCurve(battle, points = POINTS) {
  const answer = await ask(`/api/training/runs/${encodeURIComponent(battle)}/curve?points=${points}`);
  return answer.ok ? await answer.json() : null;
}
