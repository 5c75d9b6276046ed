"""Names of the quests that the guild forges: who forges gives them, who looks at quests reads them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

# At most seven digits: eight may be the digest behind a battle's name, as in bin-level-1-12345678.
_FORGED = re.compile(r"(?<![a-z0-9])(?<!sparring-)([a-z][a-z0-9]*)-level-(\d+)-(\d{4,7})(?!\d)")


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


def names_in(text: str) -> Iterator[ForgedQuest]:
    """Those that stand in a longer name, as in that of a battle."""
    return map(_quest, _FORGED.finditer(text))


def _quest(found: re.Match[str]) -> ForgedQuest:
    return ForgedQuest(found[1], int(found[2]), int(found[3]))
