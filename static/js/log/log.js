// The whole log: times of the reader's zone.

import { LocalTimes } from "../watchtower/local_times.js";

new LocalTimes(document).write(document.querySelector("#entries"));
