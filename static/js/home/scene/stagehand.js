// Moves the parts of the picture by the Web Animations API; nothing moves where nothing may.

export const EASE = "cubic-bezier(.2, .8, .2, 1)";

export class Stagehand {
  constructor(stage, motion) {
    Object.assign(this, { stage, motion, running: new Set(), parts: new Map() });
  }

  part(name) {
    if (!this.parts.has(name)) this.parts.set(name, this.stage.querySelector(`.${name}`));
    return this.parts.get(name);
  }

  get calm() {
    return this.motion.level === "calm";
  }

  // `part` is a class of the scene, or an element. The easing is that of each way from one keyframe to the next, so that
  // their offsets are true times.
  move(part, keyframes, { easing = EASE, ...timing }) {
    const node = typeof part === "string" ? this.part(part) : part;
    if (!node || this.motion.level === "off") return null;
    const frames = keyframes.map((frame) => ({ easing, ...frame }));
    const animation = node.animate(frames, timing);
    this.running.add(animation);
    const over = () => this.running.delete(animation);
    animation.finished.then(over, over);
    return animation;
  }

  still() {
    for (const animation of this.running) animation.cancel();
  }
}
