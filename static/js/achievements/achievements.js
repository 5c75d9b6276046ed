// The achievements: the page is the server's; here it hears of new ones.

import { Ages } from "../shared/ages.js";
import { QuestLive } from "../shared/live.js";

const live = new QuestLive(document, {
  onEvent: ({ kind }) => kind === "achievement" && location.reload(),
  onState: () => {},
});
new Ages(document);
live.start();
