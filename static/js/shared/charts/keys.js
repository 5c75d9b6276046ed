// `[` and `]` smooth less or more, Y makes the axis logarithmic, F shows one chart on the full screen.

import { isSingleKey } from "../single_keys.js";

export function listenToChartKeys(board) {
  const acts = {
    "[": () => board.toolbar.smoothBy(-1),
    "]": () => board.toolbar.smoothBy(1),
    y: () => board.toolbar.toggleLog(),
    f: () => board.fullScreen(),
  };
  document.addEventListener("keydown", (event) => {
    if (!isSingleKey(event) || !(event.key in acts)) return;
    if (event.repeat && !"[]".includes(event.key)) return;
    acts[event.key]();
  });
}
