"""Which quests the forge has made, by all that lies in the world.

The folders and not the database are asked, so that a rebuilt database repeats nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from realm.quest_names import ForgedQuest, names_in
from realm.world import World


def forged_quests(world: World) -> list[ForgedQuest]:
    """Each once, the oldest first, by the oldest of the files and folders that bear its name."""
    since: dict[ForgedQuest, int] = {}
    for quest, time_ns in _found(world):
        since[quest] = min(time_ns, since.get(quest, time_ns))
    return sorted(since, key=lambda quest: (since[quest], quest.number, quest.skill, quest.level))


def next_number(quests: list[ForgedQuest], *, skill: str, level: int) -> int:
    return 1 + max((quest.number for quest in quests if (quest.skill, quest.level) == (skill, level)), default=0)


def _found(world: World) -> Iterator[tuple[ForgedQuest, int]]:
    """Quests, and when what bears their names was last changed."""
    for folder in (world.inbox, world.queue):
        yield from ((quest, _changed(path)) for path in folder.rglob("*") for quest in names_in(path.name))
    battles = str(world.battles)
    for name in os.listdir(battles):
        try:
            yield from _of_begun(battles, name)
        except (OSError, ValueError, TypeError, KeyError):  # not begun, or not a battle: its name must do
            path = world.battles / name
            changed = _changed(path / "order.json") or _changed(path)
            yield from ((quest, changed) for quest in names_in(name))


def _changed(path: Path) -> int:
    """0 for what has gone, or was never there."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


@lru_cache(maxsize=65536)
def _of_begun(battles: str, name: str) -> tuple[tuple[ForgedQuest, int], ...]:
    """An order is written once, and thousands of battles are looked through at each forging."""
    order = Path(battles, name, "order.json")
    changed, quest = order.stat().st_mtime_ns, str(json.loads(order.read_bytes())["quest"])
    return tuple((found, changed) for told in (name, quest) for found in names_in(told))
