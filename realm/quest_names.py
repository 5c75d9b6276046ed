"""Names of the quests that the guild makes, forged and sparred for: who makes them gives them, who looks at quests
reads them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

# At most seven digits: eight may be the digest behind a battle's name, as in bin-level-1-12345678.
_FORGED = re.compile(r"(?<![a-z0-9])(?<!sparring-)([a-z][a-z0-9]*)-level-(\d+)-(\d{4,7})(?!\d)")
_SPARRING = re.compile(r"sparring-[a-z][a-z0-9]*-level-(\d+)-\d+-\d{4,}")


@dataclass(frozen=True)
class ForgedQuest:
    skill: str
    level: int
    number: int


def quest_name(skill: str, level: int, number: int) -> str:
    return f"{skill}-level-{level}-{number:04d}"


def read_name(name: str) -> ForgedQuest | None:
    """What a quest is for, by a name as the forge gives it; None for any other name."""
    found = _FORGED.fullmatch(name)
    return _quest(found) if found else None


def is_forged_name(name: str) -> bool:
    """Whether a quest is named as the forge names its own."""
    return read_name(name) is not None


def names_in(text: str) -> Iterator[ForgedQuest]:
    """Those that stand in a longer name, as in that of a battle."""
    return map(_quest, _FORGED.finditer(text))


def _quest(found: re.Match[str]) -> ForgedQuest:
    return ForgedQuest(found[1], int(found[2]), int(found[3]))


def sparring_name(skill: str, level: int, *, step: int, run_id: int) -> str:
    """By its run: no two sparrings of a world have the same one."""
    return f"sparring-{skill}-level-{level}-{step}-{run_id:04d}"


def is_sparring_name(name: str) -> bool:
    """Whether a quest is named as a sparring names its own."""
    return sparring_level(name) is not None


def is_own_name(name: str) -> bool:
    """Whether a quest, by its name, is the player's and not made by the guild."""
    return not is_forged_name(name) and not is_sparring_name(name)


def sparring_level(name: str) -> int | None:
    """The level that a sparring's quest is made of, by its name; None for any other quest."""
    found = _SPARRING.fullmatch(name)
    return int(found[1]) if found else None
