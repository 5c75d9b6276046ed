// Steps as blows. What a blow is worth, and whether it is a critical one or a glance, is read off the losses: off their
// running mean and spread, both forgetting at the same pace.

const FORGET = 0.96;
const FEWEST_KNOWN = 10; // before, nothing is called unusual
const SPIKE_KNOWN = 50;
const [CRIT, GLANCE, SPIKE] = [-1, 2, 10]; // in spreads off the mean

export class Blows {
  constructor() {
    this.forget();
  }

  forget() {
    Object.assign(this, { known: 0, sum: 0, weight: 0, square: 0, pending: [] });
  }

  get mean() {
    return this.weight ? this.sum / this.weight : null;
  }

  get spread() {
    return this.weight ? Math.sqrt(this.square / this.weight) : null;
  }

  learn(loss) {
    const off = this.weight ? loss - this.mean : 0;
    this.weight = FORGET * this.weight + (1 - FORGET);
    this.sum = FORGET * this.sum + (1 - FORGET) * loss;
    this.square = FORGET * this.square + (1 - FORGET) * off * off;
    this.known++;
  }

  // Takes in one step; says `finite`, or why it is none that a hero strikes.
  add({ step, loss }) {
    if (!Number.isFinite(loss)) return "nan";
    const away = this.away(loss);
    if (away !== null && this.known >= SPIKE_KNOWN && away > SPIKE) {
      this.learn(loss);
      return "spike";
    }
    this.pending.push({ step, loss, away });
    this.learn(loss);
    return "finite";
  }

  away(loss) {
    return this.known >= FEWEST_KNOWN && this.spread > 0 ? (loss - this.mean) / this.spread : null;
  }

  drop() {
    this.pending = [];
  }

  // All steps since the last blow as one; null without any.
  take() {
    const { pending } = this;
    if (!pending.length) return null;
    this.drop();
    const average = (key) => pending.reduce((sum, one) => sum + one[key], 0) / pending.length;
    const away = pending[0].away === null ? null : average("away");
    const mean = average("loss");
    return {
      step: pending.at(-1).step,
      loss: pending.at(-1).loss,
      mean,
      n: pending.length,
      hit: mean > 0 ? Math.round(100 / mean) : null,
      crit: away !== null && away < CRIT,
      glance: away !== null && away > GLANCE,
    };
  }
}
