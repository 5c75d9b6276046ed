"""Answers that the evaluation queue has taken in, one file each: with them a lost database gets its evaluations back.

They lie in the world's `data/evaluation/answers/HERO/`. What a trainer answered itself lies with its battle.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from guild.evaluation.judging import Judged
from realm import strict
from realm.checkpoints.branches import FIRST
from realm.disk import durable
from realm.strict import BadConfig
from realm.world import World

log = logging.getLogger(__name__)
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


@dataclass(frozen=True, kw_only=True)
class AnswerRecord:
    hero: str
    checkpoint: str
    step: int
    skill: str
    level: int
    answers: tuple[str, ...]
    answered_by: str
    branch: str = FIRST
    """On which the checkpoint lies."""
    seconds: float | None = None
    correct: int | None = None
    """None while nobody has judged them."""
    total: int | None = None
    judged_at: float | None = None
    """Unix seconds."""

    def path(self, world: World) -> Path:
        return path_of(world, self.hero, self.checkpoint, self.skill, self.level)

    def judged(self, correct: int, total: int) -> AnswerRecord:
        return replace(self, correct=correct, total=total, judged_at=datetime.now(UTC).timestamp())

    def verdict(self) -> Judged | None:
        """What an evaluation's row is made of; None while nobody has judged the answers."""
        if self.correct is None or self.total is None or self.judged_at is None:
            return None
        return Judged(
            hero=self.hero,
            checkpoint=self.checkpoint,
            step=self.step,
            skill=self.skill,
            level=self.level,
            correct=self.correct,
            total=self.total,
            answered_by=self.answered_by,
            branch=self.branch,
            seconds=self.seconds,
            evaluated_at=datetime.fromtimestamp(self.judged_at, UTC),
        )


def path_of(world: World, hero: str, checkpoint: str, skill: str, level: int) -> Path:
    """Raises ValueError for a name that is no plain file name."""
    for name in (hero, checkpoint, skill):
        if not _PLAIN.fullmatch(name):
            raise ValueError(f"{strict.shown(name)} is no name for a file")
    return world.evaluation / "answers" / hero / f"{checkpoint}.{skill}-{level}.json"


def write(world: World, record: AnswerRecord) -> None:
    path = record.path(world)
    path.parent.mkdir(parents=True, exist_ok=True)
    durable.write_json(path, asdict(record))


def read(world: World, hero: str, checkpoint: str, skill: str, level: int) -> AnswerRecord | None:
    """None where there is none, or none that can be read: then the checkpoint is asked again."""
    return _read(path_of(world, hero, checkpoint, skill, level))


def read_all(world: World) -> Iterator[AnswerRecord]:
    """Those that were judged in the order in which they were; then the others."""
    found = [record for path in world.evaluation.glob("answers/*/*.json") if (record := _read(path))]
    yield from sorted(found, key=lambda record: (record.judged_at is None, record.judged_at or 0.0, record.step))


def _read(path: Path) -> AnswerRecord | None:
    try:
        return strict.read(AnswerRecord, json.loads(path.read_bytes()), source=str(path))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, BadConfig) as error:
        log.error("passed over: %s: %s", path, error)
        return None
