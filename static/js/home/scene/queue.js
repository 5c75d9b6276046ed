// Which moment is shown: a weightier one interrupts, others wait their turn; at most three wait, the oldest go first.

const MOST_WAITING = 3;

export class MomentQueue {
  constructor({ begin, end }) {
    Object.assign(this, { begin, end, now: null, waiting: [], timer: null });
  }

  push(moment) {
    if (this.now && moment.priority <= this.now.priority) {
      this.waiting = this.waiting.filter((other) => other.kind !== moment.kind); // the newer one of a kind says all
      this.waiting.push(moment);
      this.waiting = this.waiting.slice(-MOST_WAITING);
      return;
    }
    if (this.now) this.finish(false);
    this.start(moment);
  }

  start(moment) {
    this.now = moment;
    this.begin(moment);
    clearTimeout(this.timer);
    if (moment.ms) this.timer = setTimeout(() => this.finish(), moment.ms);
  }

  finish(goOn = true) {
    clearTimeout(this.timer);
    const over = this.now;
    this.now = null;
    if (over) this.end(over);
    if (!goOn || this.now || !this.waiting.length) return;
    const next = this.waiting.reduce((best, other) => (other.priority > best.priority ? other : best));
    this.waiting.splice(this.waiting.indexOf(next), 1);
    this.start(next);
  }

  clear() {
    this.waiting = [];
    this.finish(false);
  }
}
