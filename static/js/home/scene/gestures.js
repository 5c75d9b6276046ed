// What the puppets do, one gesture a function. Each lies over a still frame of the style sheet, which says the same
// where nothing may move.

const at = (x, y = 0) => `translate(${x}px, ${y}px)`;
const turn = (degrees) => `rotate(${degrees}deg)`;

// 90 ms to draw back, 110 to strike, 60 of holding on, 190 back.
export const BLOW_MS = 450;
const DRAWN = { offset: 0.2, easing: "cubic-bezier(.3, 0, .2, 1.4)" };
const STRUCK = { offset: 0.44 };
const LET_GO = { offset: 0.58 };

export function attack(hand, { crit, glance }) {
  const reach = hand.calm ? 12 : 60;
  const timing = { duration: BLOW_MS };
  const strike = (back, far) => [back[0], { ...back[1], ...DRAWN }, { ...far, ...STRUCK }, { ...far, ...LET_GO }, back[0]];
  hand.move("dio-move", strike([{ transform: at(0) }, { transform: at(-10) }], { transform: at(reach) }), timing);
  hand.move("dio-swing", strike([{ transform: turn(0) }, { transform: turn(-34) }], { transform: turn(66) }), timing);
  hand.move("dio-breath", strike([{ transform: turn(0) }, { transform: turn(-5) }], { transform: turn(7) }), timing);
  if (hand.calm) return;
  hand.move("swipe", [{ opacity: 0 }, { opacity: 0, offset: 0.3 }, { opacity: 0.9, ...STRUCK }, { opacity: 0 }], timing);
  if (glance) return;
  const knock = crit ? 22 : 14;
  const push = [{ transform: at(0) }, { transform: `${at(knock)} ${turn(2)}` }, { transform: at(0) }];
  hand.move("foe-move", push, { duration: 260, delay: 198 });
  if (crit) sparks(hand, { x: 660, y: 210, count: 8, reach: 60, delay: 198, kind: "crit" });
  if (crit && hand.motion.shakes) {
    hand.move("scene", [at(0), at(4), at(-4), at(0)].map((transform) => ({ transform })), { duration: 160, delay: 198 });
  }
}

export function sparks(hand, { x, y, count, reach, delay = 0, kind = "gold", rise = 0, duration = 700 }) {
  if (hand.motion.level !== "full") return;
  const nodes = [...hand.stage.querySelectorAll(".sparks circle")].slice(0, count);
  nodes.forEach((node, number) => {
    const angle = (number / count) * 2 * Math.PI + (number % 3) * 0.4;
    const far = reach * (0.6 + ((number * 7) % 5) / 10);
    node.dataset.kind = kind;
    hand.move(
      node,
      [
        { opacity: 0.95, transform: `${at(x, y)} scale(1.3)` },
        { opacity: 0, transform: `${at(x + far * Math.cos(angle), y + far * Math.sin(angle) - rise)} scale(.3)` },
      ],
      { duration, delay },
    );
  });
}

export function chest(hand) {
  const fall = [{ transform: at(0, hand.calm ? -20 : -230) }, { transform: at(0), offset: 0.5 }];
  const bounce = hand.calm ? [] : [{ transform: at(0, -14), offset: 0.66 }, { transform: at(0), offset: 0.82 }];
  hand.move("chest", [...fall, ...bounce, { transform: at(0) }], { duration: 620, easing: "cubic-bezier(.5, 0, .8, .6)" });
  const shut = { opacity: 1 };
  const open = { opacity: 0 };
  hand.move("chest-shut", [shut, { ...shut, offset: 0.55 }, { ...open, offset: 0.6 }, open], { duration: 1100 });
  hand.move("chest-open", [open, { ...open, offset: 0.55 }, { ...shut, offset: 0.6 }, shut], { duration: 1100 });
  sparks(hand, { x: 566, y: 236, count: 10, reach: 50, delay: 640, rise: 40 });
}

export function champion(hand) {
  hand.move("laurel", [{ transform: at(0, -120), opacity: 0 }, { transform: at(0), opacity: 1 }], { duration: 900 });
  const falls = [{ transform: turn(0), opacity: 1 }, { transform: turn(0), opacity: 1, offset: 0.3 }];
  hand.move("champion-banner", [...falls, { transform: `${at(-30, 60)} ${turn(-24)}`, opacity: 0 }], { duration: 1600 });
  sparks(hand, { x: 410, y: 110, count: 16, reach: 80, delay: 700, duration: 900 });
}

export function level(hand) {
  hand.move("column", [{ opacity: 0, transform: "scaleY(.2)" }, { opacity: 1, transform: "none" }], { duration: 500 });
  hand.move("dio-move", [{ transform: at(0) }, { transform: at(0, -16) }, { transform: at(0) }], { duration: 1300 });
  sparks(hand, { x: 410, y: 250, count: 16, reach: 60, kind: "arcane", rise: 120, duration: 1200 });
}

export function wake(hand) {
  hand.move("boss", [{ transform: at(700, 380) }, { transform: at(700, 300) }], { duration: 400 });
}

export function block(hand) {
  breathe(hand);
  if (hand.calm) return;
  const recoil = [{ transform: at(0) }, { transform: `${at(26, -4)} ${turn(4)}` }, { transform: at(0) }];
  hand.move("boss-move", recoil, { duration: 460, delay: 420 });
  sparks(hand, { x: 474, y: 214, count: 10, reach: 54, delay: 360, kind: "sky" });
}

export function pushed(hand) {
  breathe(hand);
  const back = hand.calm ? -10 : -40;
  hand.move(
    "dio-move",
    [
      { transform: at(0) },
      { transform: at(0), offset: 0.35 },
      { transform: at(back), offset: 0.5 },
      { transform: at(back), offset: 0.8 },
      { transform: at(0) },
    ],
    { duration: 1200 },
  );
}

function breathe(hand) {
  hand.move(
    "fire-breath",
    [{ opacity: 0 }, { opacity: 0, offset: 0.15 }, { opacity: 1, offset: 0.35 }, { opacity: 1, offset: 0.6 }, { opacity: 0 }],
    { duration: 900 },
  );
}

export function complete(hand) {
  hand.move("foe-move", [{ opacity: 1 }, { opacity: 0 }], { duration: 700 });
  sparks(hand, { x: 690, y: 210, count: 24, reach: 130, rise: 60, duration: 1500 });
  if (hand.motion.level !== "full") return;
  hand.stage.querySelectorAll(".coins use").forEach((coin, number) => {
    const from = { opacity: 1, transform: at(650 + 18 * number, 270) };
    const up = { opacity: 1, transform: at(640 + 22 * number, 150), offset: 0.4 };
    const timing = { duration: 1100, delay: 400 + 90 * number, easing: "ease-in-out" };
    hand.move(coin, [from, up, { opacity: 0, transform: at(880, -30) }], timing);
  });
}

export function curse(hand) {
  hand.move("hex-star", [{ transform: at(0, -60), opacity: 0 }, { transform: at(0), opacity: 1 }], { duration: 700 });
}

export function knocked(hand) {
  hand.move("dio-move", [{ transform: at(0, -30) }, { transform: at(0) }], { duration: 360, easing: "ease-in" });
}

export function crushed(hand) {
  const falls = [{ transform: at(0, hand.calm ? -30 : -300) }, { transform: at(0) }];
  hand.move("boulder-move", falls, { duration: 420, easing: "ease-in" });
}

export function retreat(hand) {
  hand.move("dio-move", [{ transform: at(0) }, { transform: at(-470) }], { duration: 900, easing: "ease-in" });
}
