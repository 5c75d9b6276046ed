"""Evaluations told in the chronicle, whoever answered, and the tasks that a new checkpoint brings."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from django.conf import settings

from arena.daemon import champions
from arena.models import ChronicleEntry
from guild.curriculum.plan import Curriculum
from guild.evaluation import queue as evaluation_queue
from guild.evaluation.exam import evaluation_files
from guild.evaluation.judging import Judged, Verdict
from guild.evaluation.progression import EVALUATIONS_TO_LOSE, LOST_ACCURACY
from guild.models import Evaluation
from realm.world import World

Told = tuple[str, str, dict[str, Any]]
"""Kind, message, data of a chronicle entry."""


def told_of(skill: str, level: int, verdict: Verdict) -> Iterator[Told]:
    """What an evaluation gives to tell, in its order."""
    # The result itself.
    name = skill.upper()
    yield (
        "evaluated",
        f"{name} level {level}: {verdict.correct} of {verdict.total} right",
        {
            "skill": skill,
            "level": level,
            "correct": verdict.correct,
            "total": verdict.total,
            "accuracy": verdict.accuracy,
        },
    )

    # What it changed.
    place = {"skill": skill, "level": level}
    if verdict.lost:
        times = f"{EVALUATIONS_TO_LOSE} times in a row"
        message = f"{name} level {level} is lost again: {times} under {LOST_ACCURACY:.0%}; it will be rehearsed"
        yield "skill_level_lost", message, place | {"before": verdict.held_accuracy, "after": verdict.accuracy}
    if verdict.regained:
        yield "skill_level_regained", f"{name} level {level} is regained", place
    if verdict.level_up:
        message = f"{name} level {verdict.new_level - 1} is won, level {verdict.new_level} begins"
        yield "skill_level_up", message, {"skill": skill, "level": verdict.new_level}


def tell(judged: Judged, verdict: Verdict) -> None:
    """Of an evaluation that came through the queue; the source keeps it apart from what the daemon says."""
    tell_result(judged, verdict)
    assert verdict.evaluation_id is not None
    follow(judged, verdict.evaluation_id)


def tell_result(judged: Judged, verdict: Verdict) -> None:
    """Without the crown, which a worker on another machine knows nothing of."""
    evaluation = verdict.evaluation_id
    assert evaluation is not None  # the queue tells only what is new
    for kind, message, data in told_of(judged.skill, judged.level, verdict):
        _say(judged, evaluation, kind, message, data)


def follow(judged: Judged, evaluation: int) -> None:
    """Let the checkpoint challenge for the crown, told with the evaluation of that id."""
    champions.follow_queue(
        settings.WORLD, judged, lambda message, data: _say(judged, evaluation, champions.KIND, message, data)
    )


def bring_home(world: World) -> int:
    """Answers of workers come to this world's disk, and their checkpoints challenge for the crown; how many."""

    def challenge(judged: Judged) -> None:
        row = Evaluation.objects.get(
            hero=judged.hero, checkpoint=judged.checkpoint, skill=judged.skill, level=judged.level
        )
        follow(judged, row.pk)

    return evaluation_queue.bring_home(world, challenge)


def _say(judged: Judged, evaluation: int, kind: str, message: str, data: dict[str, Any]) -> None:
    ChronicleEntry.objects.get_or_create(
        source=f"evaluation:{kind}",
        source_seq=evaluation,
        defaults={
            "kind": kind,
            "time": judged.evaluated_at or datetime.now(UTC),
            "step": judged.step,
            "message": message,
            "data": data
            | {"checkpoint": judged.checkpoint, "answered_by": judged.answered_by}
            | ({"branch": judged.branch} if judged.branch else {}),
        },
    )


def enqueue_checkpoint(
    world: World,
    hero: str,
    curriculum: Curriculum,
    *,
    checkpoint: str,
    step: int,
    branch: str,
    fought: str | None,
    sparred: int | None,
) -> int:
    """Tasks for what this checkpoint is to be asked; how many are new. Raises GuildError."""
    return sum(
        evaluation_queue.enqueue(
            hero=hero, checkpoint=checkpoint, step=step, skill=file.skill, level=file.level, branch=branch
        )
        for file in evaluation_files(world, hero, curriculum, fought=fought, sparred=sparred)
    )
