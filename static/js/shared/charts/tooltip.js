// What the lines say at one place: beside the cursor, and in a row of text for the keyboard.

import { sayX } from "./ticks.js";

// The nearest value at or before `index`; a validation holds until the next one.
function valueAt(column, index) {
  for (let at = index; at >= 0; at--) if (Number.isFinite(column[at])) return column[at];
  return null;
}

function textOf(line, column, index, x) {
  if (line.holds && x > line.until) return null;
  const value = line.holds ? valueAt(column, index) : (column[index] ?? (line.key === "main" ? null : undefined));
  return value === undefined || (line.holds && value === null) ? null : line.say(value);
}

// [[tone, words]]: where it is, what it is of, and a line each.
export function wordsAt({ columns, lines, about }, index, mode) {
  const x = columns[0][index];
  const said = lines.map((line, at) => [line.tone, textOf(line, columns[at + 1], index, x)]);
  return [["", sayX(x, mode)], ...about(x, index).map((words) => ["dim", words]), ...said].filter(([, words]) => words);
}

export class Tooltip {
  constructor(node) {
    this.node = document.createElement("div");
    this.node.className = "tip";
    this.node.hidden = true;
    node.append(this.node);
  }

  show(words, left, room) {
    this.node.hidden = !words;
    if (!words) return;
    this.node.replaceChildren(
      ...words.map(([tone, text]) => {
        const line = document.createElement(tone ? "span" : "b");
        if (tone) line.className = `t-${tone}`;
        line.textContent = text;
        return line;
      }),
    );
    const most = room - this.node.offsetWidth - 4;
    this.node.style.left = `${Math.max(0, left + 14 > most ? Math.min(most, left - this.node.offsetWidth - 14) : left + 14)}px`;
  }
}
