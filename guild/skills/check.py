"""Whether a skill's trainer does what it promises, tried at its levels."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from threading import Thread

from guild.curriculum.plan import Curriculum, Why, mix
from guild.errors import GuildError, TrainerUnavailable
from guild.skills.health import is_down, mark_down, note_broken_files, trainer_of
from guild.skills.registry import Skill, get_skill, read_skills
from guild.trainers import checks
from guild.trainers.contract import Trainer
from realm.world import World

PROBLEMS = 200
FEW = 4
SEED = 1
TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class LevelCheck:
    level: int
    problems: int
    """Different ones, of one draw."""
    sample_seconds: float
    judge_seconds: float
    example: tuple[str, str]
    """A prompt and its answer."""
    rows: int = 0
    """Different problems drawn besides, as many as forging a quest may take; 0 where none were."""


def check(
    world: World,
    name: str,
    *,
    levels: Sequence[int] = (),
    problems: int = PROBLEMS,
    curriculum: Curriculum | None = None,
) -> Iterator[LevelCheck]:
    """Level by level, all of them by default; what is found is noted in the trainers' health.

    With a curriculum as many are drawn besides as forging a quest may take: a level may have enough for a few and no
    more. Raises UnknownSkill, TrainerUnavailable, and GuildError for a level that the skill does not have.
    """
    skill = get_skill(name)
    for level in levels:
        if not 1 <= level <= skill.max_level:
            raise GuildError(f"{name} has no level {level}; it has 1 to {skill.max_level}")
    spare = (
        skill.evaluation_problems + skill.validation_problems
    )  # drawn again where they come first: guild.trainers.sampling
    with trainer_of(world, name) as trainer:
        for level in levels or range(1, skill.max_level + 1):
            found = _check(trainer, name, level, problems)
            if curriculum:
                rows = _rows_of_a_quest(curriculum.applied(skill), level)
                trainer.sample(level=level, count=rows + spare, seed=SEED)
                found = replace(found, rows=rows)
            yield found


def _rows_of_a_quest(skill: Skill, level: int) -> int:
    """The most rows of this level that a quest of it has."""
    return sum(part.rows for part in mix(skill, level, ()) if part.why is Why.CURRENT)


def check_remote(world: World, *, seconds: float = TIMEOUT_SECONDS) -> dict[str, str | None]:
    """A few problems of the first level from every trainer that is remote and not paused, all at the same time.

    By skill, the sentence that says what is wrong, or None. One that says nothing for so long is marked down, as a task
    of reasoning-gym that never ends; its thread is left behind and does not keep the process alive.
    """
    note_broken_files(world)
    wanted = [skill.name for skill in read_skills() if skill.is_remote and not is_down(world, skill.name)]
    told: dict[str, str | None] = {}
    threads = {name: Thread(target=_tell_trouble, args=(told, world, name), daemon=True) for name in wanted}
    for thread in threads.values():
        thread.start()
    deadline = time.monotonic() + seconds
    for name, thread in threads.items():
        thread.join(max(0.0, deadline - time.monotonic()))
        if thread.is_alive():
            silent = f"skill {name}: its trainer gave nothing for {seconds:.0f} s; look whether it is stuck"
            mark_down(world, name, silent)
            told[name] = silent
    return dict(told)


def _tell_trouble(told: dict[str, str | None], world: World, name: str) -> None:
    try:
        for _ in check(world, name, levels=(1,), problems=FEW):
            pass
        told[name] = None
    except GuildError as error:
        told[name] = str(error)


def _check(trainer: Trainer, name: str, level: int, count: int) -> LevelCheck:
    begun = time.monotonic()
    problems = trainer.sample(level=level, count=count, seed=SEED)
    sampled = time.monotonic()
    if problems[:FEW] != trainer.sample(level=level, count=count, seed=SEED)[:FEW]:
        raise TrainerUnavailable(
            f"skill {name}: level {level} gives other problems for the same seed; mend the trainer"
        )
    told = time.monotonic()
    golden = trainer.judge_all(problems, [problem.answer for problem in problems])
    judged = time.monotonic()
    if not all(golden):
        wrong = problems[golden.index(False)]
        raise TrainerUnavailable(
            f"skill {name}: level {level}: its own answer {wrong.answer!r} to {wrong.prompt!r} is judged wrong; "
            "mend the trainer"
        )
    if any(trainer.judge_all(problems[:FEW], [checks.NONSENSE] * len(problems[:FEW]))):
        raise TrainerUnavailable(f"skill {name}: level {level}: nonsense is judged right; mend the trainer")
    return LevelCheck(
        level=level, problems=len(problems), sample_seconds=sampled - begun, judge_seconds=judged - told,
        example=(problems[0].prompt, problems[0].answer),
    )  # fmt: skip
