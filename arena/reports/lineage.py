"""Where every checkpoint comes from and what it can do, as one file for programs and one for people."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from guild.models import Evaluation
from realm.checkpoints import branches
from realm.disk import durable
from realm.world import World
from vault import selectors
from vault.models import Checkpoint

JSON_FILE, TEXT_FILE = "lineage.json", "lineage.txt"


@dataclass(frozen=True, kw_only=True)
class Answered:
    skill: str
    level: int
    correct: int
    total: int


@dataclass(frozen=True, kw_only=True)
class Ancestor:
    name: str
    step: int
    created_at: str
    parent: str
    """Empty for one that was trained from the base model."""
    parent_lies_here: bool
    branch: str
    """Empty: the hero's first."""
    quest: str
    battle: str
    skill: str
    level: int | None
    train_loss: float | None
    val_loss: float | None
    val_set: dict[str, Any] | None
    """What `val_loss` was measured over: `name`, `rows` and `sha256`; losses over different sets do not compare."""
    size_bytes: int
    evaluations: tuple[Answered, ...]


@dataclass(frozen=True, kw_only=True)
class Lineage:
    hero: str
    checkpoints: tuple[Ancestor, ...]
    """Newest first; only those that lie on the disk."""


def write_lineages(world: World) -> list[Lineage]:
    """Of every hero, in `status/lineage.json` and, readable, `status/lineage.txt`."""
    heroes = sorted(set(Checkpoint.objects.values_list("hero", flat=True)))
    lineages = [lineage_of(world, hero) for hero in heroes]
    told = {"time": time.time(), "heroes": [asdict(lineage) for lineage in lineages]}
    durable.write_json(world.status / JSON_FILE, told, sync=False)
    text = "\n\n".join(in_words(lineage) for lineage in lineages) or "No checkpoint was saved yet."
    durable.write_bytes(world.status / TEXT_FILE, f"{text}\n".encode(), sync=False)
    return lineages


def lineage_of(world: World, hero: str) -> Lineage:
    rows = selectors.list_checkpoints(world, hero)
    answered = defaultdict[str, list[Answered]](list)
    for row in Evaluation.objects.filter(hero=hero).order_by("skill", "level", "id"):
        entry = Answered(skill=row.skill, level=row.level, correct=row.correct, total=row.total)
        answered[row.checkpoint].append(entry)
    here = {row.name for row in rows}
    return Lineage(hero=hero, checkpoints=tuple(_ancestor(row, here, answered[row.name]) for row in rows))


def _ancestor(row: Checkpoint, here: set[str], answered: Sequence[Answered]) -> Ancestor:
    return Ancestor(
        name=row.name,
        step=row.step,
        created_at=row.created_at.isoformat(),
        parent=row.parent,
        parent_lies_here=row.parent in here,
        branch=row.branch,
        quest=row.quest,
        battle=row.battle,
        skill=row.skill,
        level=row.level,
        train_loss=row.train_loss,
        val_loss=row.val_loss,
        val_set=row.val_set,
        size_bytes=row.size_bytes,
        evaluations=tuple(answered),
    )


def in_words(lineage: Lineage) -> str:
    return "\n".join([f"{lineage.hero}: {len(lineage.checkpoints)} checkpoints, newest first", *_lines(lineage)])


def _lines(lineage: Lineage) -> Iterator[str]:
    several = any(one.branch for one in lineage.checkpoints)
    for one in lineage.checkpoints:
        gone = "" if one.parent_lies_here or not one.parent else " (made room since)"
        taught = f", {one.skill} level {one.level}" if one.skill else ""
        branch = f", {branches.title(one.branch)}" if several else ""
        validation = f"validation {_loss(one.val_loss)}{_over(one.val_set)}"
        yield f"  {one.name} from {one.parent or 'the base model'}{gone}{branch}"
        yield f"    quest {one.quest}{taught}; loss {_loss(one.train_loss)}, {validation}"
        if one.evaluations:
            told = (f"{entry.skill} {entry.level}: {entry.correct}/{entry.total}" for entry in one.evaluations)
            yield f"    answered {', '.join(told)}"


def _over(val_set: dict[str, Any] | None) -> str:
    """The set by name, size and the beginning of its digest: equal digests, and only these, compare."""
    return f" over {val_set['name']} ({val_set['rows']} rows, {val_set['sha256'][:8]})" if val_set else ""


def _loss(value: float | None) -> str:
    return "--" if value is None else f"{value:.4f}"


def text_path(world: World) -> Path:
    return world.status / TEXT_FILE
