// The clock of a replay: by the pace that the battle had, or by so many steps a second.

const LONGEST_FRAME_SECONDS = 0.25; // a hidden tab is not caught up with
const MOST_A_FRAME = 400;
const PACE_MEMORY = 0.9;

export class Player {
  constructor({ steps, onSteps, onState, onTrouble }) {
    Object.assign(this, { steps, onSteps, onState, onTrouble });
    this.playing = false;
    this.owed = 0; // seconds of the battle that are to be played
    this.secondsPerStep = 0.1;
  }

  setSpeed({ times = 1, stepsPerSecond = null }) {
    Object.assign(this, { times, stepsPerSecond });
  }

  get rate() {
    return this.stepsPerSecond ?? this.times / this.secondsPerStep;
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }

  async play() {
    if (this.steps.over) await this.seek(this.steps.beginning);
    this.playing = true;
    this.then = null;
    this.onState(true);
    requestAnimationFrame((now) => this.frame(now));
  }

  pause() {
    this.playing = false;
    this.owed = 0;
    this.onState(false);
  }

  // Shows the step, playing or not.
  async seek(step) {
    this.steps.seek(step);
    this.owed = 0;
    await this.load();
    const record = this.steps.shift();
    if (record) this.onSteps([record], { jumped: true });
  }

  async load() {
    try {
      await this.steps.fill(this.rate);
      this.onTrouble("");
    } catch (error) {
      this.onTrouble(`The steps cannot be fetched: ${error.message}`);
      this.pause();
    }
  }

  frame(now) {
    if (!this.playing) return;
    const passed = this.then === null ? 0 : Math.min((now - this.then) / 1e3, LONGEST_FRAME_SECONDS);
    this.then = now;
    const due = this.due(passed);
    if (due.length) this.onSteps(due);
    this.load();
    if (this.steps.over) this.pause();
    else requestAnimationFrame((later) => this.frame(later));
  }

  due(passed) {
    const due = [];
    if (this.steps.first) this.owed += passed * (this.stepsPerSecond ?? this.times);
    while (this.steps.first && due.length < MOST_A_FRAME) {
      const cost = this.cost(this.steps.first);
      if (cost > this.owed) break;
      this.owed -= cost;
      due.push(this.steps.shift());
    }
    return due;
  }

  // In steps, or in the battle's own seconds.
  cost({ stands, step_seconds: seconds }) {
    if (this.stepsPerSecond !== null) return stands;
    if (seconds > 0) this.secondsPerStep = PACE_MEMORY * this.secondsPerStep + (1 - PACE_MEMORY) * seconds;
    return stands * (seconds > 0 ? seconds : this.secondsPerStep);
  }
}
