// Moments as marks under the slider, each where its step lies.

const WIDTH = 1000;
const TONES = {
  checkpoint_saved: "gold",
  new_champion: "gold",
  quest_completed: "gold",
  validated: "sky",
  evaluated: "moss",
  hero_level_up: "arcane",
  skill_level_up: "arcane",
  skill_level_lost: "ember",
  fault: "blood",
  battle_failed: "blood",
};

export function drawTicks(svg, { first, last, moments }) {
  const marks = new Map();
  for (const { kind, step } of moments) {
    if (TONES[kind] === undefined || step < first || step > last) continue;
    const x = Math.round((WIDTH * (step - first)) / Math.max(1, last - first));
    marks.set(`${x} ${TONES[kind]}`, [x, TONES[kind]]);
  }
  for (const [x, tone] of marks.values()) {
    const mark = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    for (const [name, value] of Object.entries({ x: x - 1, y: 0, width: 2, height: 8, class: `tone-${tone}` })) {
      mark.setAttribute(name, value);
    }
    svg.append(mark);
  }
}
