// The battle's steps in slices, at most two of which are held: however long the battle, as much memory is enough.

const SLICE = 500;
const THINNED = 400;
const MOST_RATE = 400; // steps a second; of faster ones only the telling ones are fetched
const AHEAD_SECONDS = 4;

export class Steps {
  constructor({ battle, moments, first, last }, ask) {
    Object.assign(this, { ask, last });
    this.beginning = first;
    this.address = `/api/training/runs/${encodeURIComponent(battle)}/steps`;
    this.moments = moments; // rising by step
    this.generation = 0;
    this.clear();
  }

  clear() {
    Object.assign(this, { held: [], next: null, at: null, loading: null });
    this.generation++;
  }

  // Begin anew at a step.
  seek(step) {
    this.clear();
    this.next = step;
    this.at = step - 1;
  }

  get over() {
    return !this.held.length && this.next === null;
  }

  // What is needed soon, at this many steps a second. Resolves once it is here.
  async fill(rate) {
    if (this.loading || this.next === null || this.held.length > SLICE) return this.loading;
    const { generation } = this;
    this.loading = this.slice(rate).then((slice) => generation === this.generation && this.take(slice));
    try {
      return await this.loading;
    } finally {
      if (generation === this.generation) this.loading = null;
    }
  }

  async slice(rate) {
    const query = new URLSearchParams({ from: this.next });
    const until = this.next + Math.ceil(rate * AHEAD_SECONDS) - 1;
    const thinned = rate > MOST_RATE;
    if (thinned) {
      query.set("to", until);
      query.set("points", THINNED);
    } else {
      query.set("limit", SLICE);
    }
    const answer = await this.ask(`${this.address}?${query}`);
    if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).detail ?? answer.statusText);
    const slice = await answer.json();
    return { ...slice, next: thinned && until < slice.last ? until + 1 : slice.next };
  }

  take(slice) {
    // Each stands for itself and for those left out before it.
    for (const record of slice.steps) {
      this.held.push({ ...record, stands: Math.max(1, record.step - this.at) });
      this.at = record.step;
    }
    this.next = slice.next;
    if (slice.last > this.last) {
      this.last = slice.last;
      this.onGrown?.(slice.last);
    }
  }

  shift() {
    return this.held.shift();
  }

  get first() {
    return this.held[0];
  }

  // What was told at the steps that this record stands for.
  momentsAt({ step, stands }) {
    return this.moments.filter((moment) => moment.step <= step && moment.step > step - stands);
  }
}
