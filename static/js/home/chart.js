// The Tavern's curves: the battle of now after those that led there, beside it the champion's and other battles.

import { Board } from "../shared/charts/board.js";
import { Run } from "../shared/charts/run.js";
import { Rivals } from "../shared/charts/rivals.js";
import { Curves, idOf, isCurrent, labelOf } from "./curves.js";

export class Charts {
  constructor(root) {
    this.curves = new Curves(root, () => this.show(this.store));
    this.rivals = new Rivals(root, () => this.show(this.store));
    this.board = new Board(root, {
      sprite: root.querySelector("#entry").content.querySelector("use").getAttribute("href").split("#")[0],
      href: (name) => `/vault/${this.store.hero.name}/${name}`,
      about: (kind, x, index) => this.about(kind, x, index),
    });
  }

  show(store) {
    this.store = store;
    const { validation, accuracy, marks } = store;
    const shown = this.curves.fit(validation).map((one) => this.named(one));
    this.board.show({ runs: [mainOf(store), ...this.rivals.runs], validation: shown, accuracy, marks });
  }

  named(curve) {
    return {
      key: idOf(curve),
      label: labelOf(curve, this.curves.all),
      token: this.curves.toneOf(curve),
      current: isCurrent(curve, this.curves.all),
      points: curve.points,
    };
  }

  // Which quest was fought, which level was asked.
  about(kind, x, index) {
    const { curve, accuracy } = this.store;
    if (kind === "accuracy") return accuracy[index] ? [accuracy[index].slice(2).join(" level ")] : [];
    const step = curve.step[index];
    const quest = this.board.view.x === "step" ? curve.battles.findLast(([first]) => first < x) : null;
    return [quest?.[1] ?? (step ? `step ${step}` : "")];
  }
}

export function mainOf({ curve, course, battle }) {
  return new Run({
    id: battle?.id ?? "",
    label: battle?.quest ?? "",
    since: battle?.first_step === null ? Infinity : (battle?.first_step ?? -Infinity),
    starts: curve.battles.slice(1).map(([first]) => first),
    step: curve.step,
    loss: curve.loss,
    lr: curve.lr,
    ...course,
  });
}
