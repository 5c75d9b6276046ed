"""The hero's answers to the evaluation sets of a battle: written down beside it, and told once a checkpoint."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from arena.hero import answering
from arena.hero.model import Hero
from arena.protocol import ANSWERS_FOLDER, EvaluationSet, EventKind, Order
from arena.training.reporting.battle_log import BattleLog
from realm.checkpoints.sidecar import Sidecar


@dataclass(frozen=True)
class Answers:
    """What the hero answered to one evaluation set."""

    evaluation: EvaluationSet
    answers: list[str]
    seconds: float


def answer_all(hero: Hero, asked: Sequence[EvaluationSet], on_progress: Callable[[], None]) -> list[Answers]:
    """The hero's answers to these evaluation sets, by its weights as they are. Raises answering.UnreadableEvaluation.

    None of a model without a chat template, which cannot be asked.
    """
    answered = []
    for evaluation in asked if hero.mask.facts.has_template else ():
        started = time.perf_counter()
        prompts = answering.read_prompts(evaluation)
        answers = answering.answer(hero, prompts, max_new_tokens=evaluation.max_new_tokens)
        answered.append(Answers(evaluation, answers, time.perf_counter() - started))
        on_progress()
    return answered


def not_told(log: BattleLog, asked: Sequence[EvaluationSet], saved: Sidecar) -> list[EvaluationSet]:
    """Evaluation sets that this checkpoint has not answered."""
    return [each for each in asked if not _is_told(log, each, saved)]


def tell(log: BattleLog, order: Order, answered: Answers, saved: Sidecar) -> None:
    """Write answers into the battle's folder, then say so; nothing where they were told before."""
    evaluation = answered.evaluation
    if _is_told(log, evaluation, saved):
        return

    # The file first: who hears of it finds it whole.
    folder = Path(order.battle_folder) / ANSWERS_FOLDER
    path = folder / f"{saved.name}.{evaluation.skill}-{evaluation.level}.json"
    log.write_file(path, answered.answers)
    log.write(
        EventKind.ANSWERED,
        step=saved.step,
        message=f"Answered {len(answered.answers)} problems of {evaluation.skill} level {evaluation.level}",
        checkpoint=saved.name,
        skill=evaluation.skill,
        level=evaluation.level,
        file=f"{ANSWERS_FOLDER}/{path.name}",
        seconds=answered.seconds,
    )


def _is_told(log: BattleLog, evaluation: EvaluationSet, saved: Sidecar) -> bool:
    what = {"checkpoint": saved.name, "skill": evaluation.skill, "level": evaluation.level}
    return log.has(EventKind.ANSWERED, **what)
