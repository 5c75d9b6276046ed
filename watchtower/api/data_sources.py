"""What a training run can be asked to train on, each under an id that POST `/api/training/start` takes as `source`.

`NAME` and `NAME/FILE` are the player's folders, `skill:NAME` problems that are forged for it, `quest:NUMBER` a quest of
this world once more. What nothing can be trained on from here (the inbox, validation sets) is listed, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.conf import settings
from ninja import Schema

from arena import jobs
from arena.jobs import Job, NotPossible
from arena.models import Quest
from arena.queue import files as queue
from arena.reports import training_sources
from arena.sources import folders
from arena.sources.folders import BadSource
from guild.selectors import skill_level
from guild.skills.registry import read_skills
from guild.work import forging
from realm import strict
from realm.config import RealmConfig
from realm.world import World

SKILL, QUEST = "skill:", "quest:"
FORGED_ROWS, MOST_FORGED = 200, 5_000
MOST_FILES = 1000
"""Of a folder."""


class DataSource(Schema):
    id: str
    name: str
    kind: str
    """`folder`, `file`, `skill`, `quest`, `inbox`, `queue`, `completed`, `skills` or `validation`."""
    trainable: bool
    """Whether POST `/api/training/start` takes the id as `source`."""
    files: int | None = None
    rows: int | None = None
    """As far as they are counted."""
    size_bytes: int | None = None
    level: int | None = None
    """Of a skill: the one that the hero works on."""
    message: str = ""


def list_sources(world: World) -> list[dict[str, Any]]:
    return [*_built_in(world), *_folders(world), *_skills(), *_quests(), *_validation(world)]


def _built_in(world: World) -> Iterator[dict[str, Any]]:
    for source in training_sources.built_in(world):
        yield _source(source.name, source.kind, trainable=False) | _counts(source)


def _counts(source: training_sources.Source) -> dict[str, Any]:
    return {
        "files": source.files, "rows": source.rows, "size_bytes": source.size_bytes, "message": source.trouble,
    }  # fmt: skip


def _folders(world: World) -> Iterator[dict[str, Any]]:
    for name in folders.folders(world):
        source, files = training_sources.of_folder(world, name), training_sources.files_of(world, name)
        yield _source(name, "folder", trainable=len(files.found) == 1) | _counts(source)
        for file in files.found[:MOST_FILES]:
            yield _source(f"{name}/{file.name}", "file", trainable=True) | {"files": 1, "size_bytes": file.size_bytes}


def _skills() -> Iterator[dict[str, Any]]:
    for skill in read_skills():
        level = skill_level(settings.REALM.hero, skill.name).level
        yield _source(f"{SKILL}{skill.name}", "skill", trainable=True, name=skill.title) | {"level": level}


def _quests() -> Iterator[dict[str, Any]]:
    for quest in training_sources.quests_of("completed")[:MOST_FILES]:
        told = _source(f"{QUEST}{quest.pk}", "quest", trainable=True, name=quest.name)
        yield told | {"files": 1, "rows": quest.rows, "size_bytes": quest.size_bytes, "level": quest.level}


def _validation(world: World) -> Iterator[dict[str, Any]]:
    for path in sorted(world.validation.rglob("*.jsonl"))[:MOST_FILES]:
        told = _source(path.relative_to(world.home).as_posix(), "validation", trainable=False, name=path.stem)
        yield told | {"files": 1, "size_bytes": path.stat().st_size}


def _source(source_id: str, kind: str, *, trainable: bool, name: str = "") -> dict[str, Any]:
    return {"id": source_id, "name": name or source_id, "kind": kind, "trainable": trainable}


def start(
    world: World, config: RealmConfig, source: str, *, count: int | None, level: int | None, options: Mapping[str, Any]
) -> Job:
    """A job on what has that id. Raises BadSource, NotPossible, GuildError, and what `jobs.start` raises.

    `count` and `level` are of a skill's problems. `options` are those of `jobs.start`.
    """
    if source.startswith(QUEST):
        quest = _quest(source.removeprefix(QUEST))
        return jobs.start(world, config, file=queue.path_of(world, quest), **{**options, "force": True})
    if not source.startswith(SKILL):
        return jobs.start(world, config, source=source, **options)
    name = source.removeprefix(SKILL)
    count = FORGED_ROWS if count is None else count
    if count > MOST_FORGED:
        raise ValueError(f"count: at most {MOST_FORGED} rows are forged at once; /api/simulation/start makes more")
    level = skill_level(config.hero, name).level if level is None else level
    order = forging.order(skill=name, levels=[level], count=count)
    named = {"name": options.get("name") or order.name}
    return jobs.start(world, config, rows=forging.rows(world, order).decode(), **{**options, **named})


def _quest(text: str) -> Quest:
    number = strict.whole_number(text)
    quest = Quest.objects.filter(pk=number).first() if number is not None and number < 2**63 else None
    if quest is None:
        raise BadSource(f"There is no quest {strict.shown(text)}.")
    if not quest.file:
        raise NotPossible(f"the file of {quest.name} made room")
    return quest
