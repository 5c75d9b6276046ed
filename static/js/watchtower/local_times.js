// Times stand in the page in UTC; here they become those of the reader's zone.

const MINUTES = { hour: "2-digit", minute: "2-digit", hour12: false };
const SECONDS = { ...MINUTES, second: "2-digit" };

export class LocalTimes {
  constructor(root) {
    this.zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    this.root = root;
  }

  write(within) {
    for (const node of within?.querySelectorAll("time.local") ?? []) {
      const moment = new Date(node.dateTime);
      if (Number.isNaN(moment.getTime())) continue;
      const form = node.classList.contains("to-the-second") ? SECONDS : MINUTES;
      const isToday = moment.toDateString() === new Date().toDateString();
      node.textContent = moment.toLocaleTimeString([], isToday ? form : { ...form, weekday: "short" });
      node.title = moment.toLocaleString();
    }
    for (const node of within?.querySelectorAll(".zone") ?? []) node.textContent = `Times are in ${this.zone}.`;
  }
}
