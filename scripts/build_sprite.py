"""Build the icon sprite, its credits and the favicons from the game-icons set.

    python3 scripts/build_sprite.py ICONS_JSON

ICONS_JSON is `icons.json` of the npm package @iconify-json/game-icons, which drops the author of each icon; AUTHORS
keeps them, after the folders of github.com/game-icons/icons. An icon enters the sprite by being named there.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

STATIC = Path(__file__).resolve().parent.parent / "static"
FOLDER = STATIC / "vendor" / "game-icons"
IMAGES = STATIC / "img"

AUTHORS = {
    "Lorc": (
        "anvil", "barbute", "broadsword", "campfire", "checked-shield", "crossed-swords", "crown", "crystal-ball",
        "cursed-star", "daemon-skull", "gears", "hourglass", "hydra", "imp", "laurel-crown", "lightning-storm",
        "locked-chest", "magic-swirl", "microchip", "minotaur", "padlock", "poison-bottle", "quill-ink",
        "scroll-unfurled", "skull-crossed-bones", "spectre", "star-swirl", "stone-tower", "sword-clash",
        "visored-helm", "wyvern",
    ),
    "Delapouite": (
        "bed", "calendar", "camping-tent", "castle", "chest", "gargoyle", "goblin-head", "knight-banner",
        "night-sleep", "ogre", "rock-golem", "slime", "spell-book", "spiked-dragon-head", "tavern-sign", "trophy-cup",
        "two-coins", "upgrade", "watchtower",
    ),
    "Skoll": ("bullseye", "open-treasure-chest"),
    "Zeromancer": ("heart-plus",),
}  # fmt: skip

# Seen on the page of achievements alone: a file of their own, so that every other page loads less.
MEDALS = frozenset({
    "barbute", "bed", "calendar", "castle", "chest", "heart-plus", "lightning-storm", "magic-swirl",
    "microchip", "padlock", "stone-tower",
})  # fmt: skip

# What the visor glows with, by the state of the run.
FAVICONS = {
    "training": "#f58a5b", "resting": "#79b8ec", "done": "#ffd873", "cursed": "#86d08f", "asleep": "#84704f",
}  # fmt: skip

COLOUR = ' fill="currentColor"'

CREDITS = """\
# Credits

Icons by {authors}, from [game-icons.net](https://game-icons.net),
[CC BY 3.0](https://creativecommons.org/licenses/by/3.0/). Changed: put together as symbols of one file, recoloured.
The favicons in `static/img/` are made from `visored-helm`.

| icon | author |
|---|---|
{rows}
"""


def build_sprite(bodies: dict[str, str]) -> str:
    """One `<symbol>` an icon. The fill is taken off the paths, so that the place of use colours them."""
    symbols = [
        f'<symbol id="gi-{name}" viewBox="0 0 512 512">{body.replace(COLOUR, "")}</symbol>'
        for name, body in sorted(bodies.items())
    ]
    return '<svg xmlns="http://www.w3.org/2000/svg">\n' + "\n".join(symbols) + "\n</svg>\n"


def build_credits() -> str:
    rows = sorted((name, author) for author, names in AUTHORS.items() for name in names)
    return CREDITS.format(authors=", ".join(AUTHORS), rows="\n".join(f"| {name} | {author} |" for name, author in rows))


def build_favicon(helm: str, glow: str) -> str:
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 512 512">'
        '<rect width="512" height="512" rx="112" fill="#1d1826"/>'
        f'<rect x="110" y="150" width="292" height="180" rx="40" fill="{glow}"/>'
        f'<g color="#f2e9d8">{helm}</g></svg>\n'
    )


def main(source: Path) -> None:
    icons = json.loads(source.read_bytes())["icons"]
    bodies = {name: icons[name]["body"] for names in AUTHORS.values() for name in names}
    FOLDER.mkdir(parents=True, exist_ok=True)
    IMAGES.mkdir(parents=True, exist_ok=True)
    for file, in_medals in (("sprite.svg", False), ("medals.svg", True)):
        chosen = {name: body for name, body in bodies.items() if (name in MEDALS) == in_medals}
        (FOLDER / file).write_text(build_sprite(chosen), encoding="utf-8")
    (FOLDER / "CREDITS.md").write_text(build_credits(), encoding="utf-8")
    for state, glow in FAVICONS.items():
        path = IMAGES / f"dio-{state}.svg"
        path.write_text(build_favicon(bodies["visored-helm"], glow), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
