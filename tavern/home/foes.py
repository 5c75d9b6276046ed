"""The foe of a quest: always the same one for the same name."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Foe:
    glyph: str
    name: str


FOES = (
    Foe("slime", "Slime"),
    Foe("goblin-head", "Goblin"),
    Foe("imp", "Imp"),
    Foe("spectre", "Spectre"),
    Foe("ogre", "Ogre"),
    Foe("minotaur", "Minotaur"),
    Foe("gargoyle", "Gargoyle"),
    Foe("rock-golem", "Rock golem"),
    Foe("wyvern", "Wyvern"),
    Foe("hydra", "Hydra"),
)


def foe_of(quest: str) -> Foe:
    digest = hashlib.sha256(quest.encode("utf-8", "surrogatepass")).digest()
    return FOES[digest[0] % len(FOES)]
