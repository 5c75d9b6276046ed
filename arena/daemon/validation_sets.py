"""What a battle's checkpoints are scored on: rows held out of the player's quests, problems of the levels reached, and
the player's own files in `data/validation/`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from arena import chronicle
from arena.gate import held_out
from arena.gate import report as reports
from arena.models import Battle, ChronicleEntry, Quest
from arena.protocol import EventKind, ValidationSet
from arena.queue import files as queue
from arena.rows.formats import Specs
from arena.rows.lines import shown
from arena.rows.model import Refusal, UnreadableQuest
from arena.rows.parse import read_rows
from guild.curriculum.plan import read_curriculum
from guild.errors import GuildError
from guild.evaluation.taught import level_sets
from realm.branch_rows import line_of
from realm.config import RealmConfig
from realm.strict import BadConfig
from realm.world import World

LEVEL_ROWS = 16
"""Problems of a level that are scored."""
FILE_ROWS = 200
"""Rows of a file of the player's that are scored."""
UNREADABLE = "validation_unreadable"


def validation_sets(world: World, config: RealmConfig, quest: Quest, specs: Specs) -> tuple[ValidationSet, ...]:
    """What counts most comes first: where not all can be paid for, the last ones are left out."""
    return (
        *_own(world, quest),
        *_given(world, quest, specs),
        *_levels(world, config, quest),
        *_earlier(world, config, quest),
        *_files(world, specs),
    )


def _own(world: World, quest: Quest) -> Iterator[ValidationSet]:
    mine = held_out.file_of(world.validation_quests, quest.name, quest.sha256)
    if name := held_out.set_names(world.validation_quests).get(mine):
        yield ValidationSet(name=name, path=str(mine), always=True)


def _given(world: World, quest: Quest, specs: Specs) -> Iterator[ValidationSet]:
    """The file that was named for this quest alone."""
    named = reports.read_wishes(queue.path_of(world, quest)).validation
    if not named:
        return
    path = (world.home / named).resolve()
    if path.is_relative_to(world.home.resolve()) and _is_of_use(path, specs, named):
        yield ValidationSet(name=held_out.name_of_file(path), path=str(path), always=True)


def _earlier(world: World, config: RealmConfig, quest: Quest) -> Iterator[ValidationSet]:
    mine = held_out.file_of(world.validation_quests, quest.name, quest.sha256)
    named = held_out.set_names(world.validation_quests)
    for path in taught(world.validation_quests, config.hero):
        if path != mine:
            yield ValidationSet(name=named[path], path=str(path))


def taught(folder: Path, hero: str) -> list[Path]:
    """Files among those of `folder` of quests that the hero's branch has come through to the end, the newest first."""
    line = line_of(hero)
    ended = ChronicleEntry.objects.filter(kind=EventKind.BATTLE_COMPLETED).order_by("id")
    ends = dict(ended.values_list("source", "step"))
    fought = Battle.objects.filter(hero=hero, state=Battle.State.COMPLETED).select_related("quest").order_by("-id")
    paths = (
        held_out.file_of(folder, battle.quest.name, battle.quest.sha256)
        for battle in fought
        if ends.get(battle.battle_id, math.inf) <= (line.last_step(battle.branch) or 0)
    )
    return [path for path in dict.fromkeys(paths) if path.exists()]


def _levels(world: World, config: RealmConfig, quest: Quest) -> list[ValidationSet]:
    """A guild in trouble costs the battle these scores, not its training."""
    try:
        levels = level_sets(world, config.hero, read_curriculum(config), fought=quest.skill or None)
    except (GuildError, BadConfig) as error:
        chronicle.say("guild_trouble", str(error))
        return []
    return [ValidationSet(name=name, path=str(path), most_rows=LEVEL_ROWS) for name, path in levels.items()]


def _files(world: World, specs: Specs) -> Iterator[ValidationSet]:
    for path in sorted(world.validation.glob("*.jsonl")):
        if _is_of_use(path, specs, f"data/validation/{shown(path.name)}"):
            yield ValidationSet(name=held_out.name_of_file(path), path=str(path), most_rows=FILE_ROWS)


def _is_of_use(path: Path, specs: Specs, name: str) -> bool:
    """Whether a file has rows that can be scored. What is wrong with it is told, once, and stops no battle."""
    if shown(path.name) != path.name:
        _tell_once(f"{name} is left out: its name is no text")
        return False
    try:
        rows = list(islice(read_rows(path, specs), FILE_ROWS))
    except (UnreadableQuest, OSError) as error:
        _tell_once(f"{name} is left out: {error}")
        return False
    bad = [row for row in rows if isinstance(row, Refusal)]
    if bad:
        others = f" (and {len(bad) - 1} more lines)" if len(bad) > 1 else ""
        _tell_once(f"{name}, line {bad[0].line}: {bad[0].reason}{others}; it is left out")
    if not rows:
        _tell_once(f"{name} is left out: it is empty")
    return len(rows) > len(bad)


def _tell_once(message: str) -> None:
    if not ChronicleEntry.objects.filter(kind=UNREADABLE, message=message[:500]).exists():
        chronicle.say(UNREADABLE, message)
