// How each kind of entry looks: the server's own table, and pictures out of the sprite.

export class Looks {
  constructor(root, blank) {
    this.table = JSON.parse(root.querySelector("#entry-looks").textContent);
    this.sprite = blank.querySelector("use").getAttribute("href").split("#")[0];
  }

  of(kind, accuracy = 0) {
    const other = this.table[""];
    const [icon, tone, enough] = this.table[kind] ?? other;
    return { icon: `${this.sprite}#gi-${icon}`, tone: enough == null || accuracy >= enough ? tone : other[1] };
  }
}
