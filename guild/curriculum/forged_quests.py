"""Which quests the forge has made, by all that lies in the world.

The folders and not the database are asked, so that a rebuilt database repeats nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from realm.quest_names import ForgedQuest, names_in
from realm.world import World


def forged_quests(world: World) -> list[ForgedQuest]:
    """Each once, the oldest first, by the oldest of the files and folders that bear its name."""
    since: dict[ForgedQuest, int] = {}
    for name, time_ns in _names(world):
        for quest in names_in(name):
            since[quest] = min(time_ns, since.get(quest, time_ns))
    return sorted(since, key=lambda quest: (since[quest], quest.number, quest.skill, quest.level))


def next_number(quests: list[ForgedQuest], *, skill: str, level: int) -> int:
    return 1 + max((quest.number for quest in quests if (quest.skill, quest.level) == (skill, level)), default=0)


def _names(world: World) -> Iterator[tuple[str, int]]:
    """Names, and when what bears them was last changed."""
    for folder in (world.inbox, world.queue):
        yield from ((path.name, _changed(path)) for path in folder.rglob("*"))
    for battle in world.battles.iterdir():
        order = battle / "order.json"
        changed = _changed(order)
        yield battle.name, changed or _changed(battle)
        yield _quest_of(order, changed), changed


def _changed(path: Path) -> int:
    """0 for what has gone, or was never there."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


@lru_cache(maxsize=65536)
def _quest_of(order: Path, changed: int) -> str:
    """An order is written once; thousands of battles are looked through at each forging."""
    try:
        return str(json.loads(order.read_bytes())["quest"])
    except (OSError, ValueError, TypeError, KeyError):  # not begun, or not a battle: its name must do
        return ""
