// A step's page: nothing of it changes any more but the pill.

import { QuestLive } from "../shared/live.js";

new QuestLive(document, { onEvent: () => {}, onState: () => {} }).start();
