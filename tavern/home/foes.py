"""The foe of a quest: always the same one for the same name and size."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Foe:
    glyph: str
    name: str
    stands: Literal["ground", "air", "bush", "cave"] = "ground"
    """On the ground or above it; glyphs that are heads, or are cut off at an edge, come out of something."""


FOES = (
    Foe("slime", "Slime"),
    Foe("goblin-head", "Goblin", "bush"),
    Foe("imp", "Imp", "air"),
    Foe("spectre", "Spectre", "air"),
    Foe("ogre", "Ogre", "bush"),
    Foe("minotaur", "Minotaur"),
    Foe("gargoyle", "Gargoyle"),
    Foe("rock-golem", "Rock golem"),
    Foe("wyvern", "Wyvern"),
    Foe("hydra", "Hydra", "cave"),
)
"""The easier ones first."""
FEWEST_TOKENS, MOST_TOKENS = 3_000, 100_000_000
"""The easiest foe stands for the one, the hardest for the other; between them it goes by the logarithm."""


def foe_of(quest: str, tokens: int | None = None) -> Foe:
    """By the quest's name; where its `tokens` are known, the more they are the harder is the foe, give or take one."""
    digest = hashlib.sha256(quest.encode("utf-8", "surrogatepass")).digest()
    if not tokens:
        return FOES[digest[0] % len(FOES)]
    size = math.log(tokens / FEWEST_TOKENS) / math.log(MOST_TOKENS / FEWEST_TOKENS)
    rank = round(size * (len(FOES) - 1)) + digest[0] % 3 - 1
    return FOES[min(len(FOES) - 1, max(0, rank))]
