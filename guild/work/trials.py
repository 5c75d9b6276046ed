"""Trials: any checkpoints on any skills and levels, side by side; and two trials beside each other."""

from __future__ import annotations

import secrets
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from guild.errors import GuildError, TrainerUnavailable
from guild.evaluation import hosting
from guild.evaluation.checkpoints import Chosen, choose
from guild.evaluation.sets import ensure_evaluation_set, read_evaluation_set
from guild.evaluation.validation import held_out
from guild.models import Run
from guild.skills import health
from guild.skills.registry import get_skill, name_of
from guild.trainers.contract import Trainer
from guild.trainers.problems import Problem
from guild.trainers.sampling import Fresh
from guild.trainers.seeds import derive
from guild.work import runs
from guild.work.intervals import difference, wilson
from guild.work.runs import Watch
from realm import strict
from realm.config import is_hero_name
from realm.oracle.errors import HostTrouble
from realm.world import World

if TYPE_CHECKING:
    from realm.oracle.sync_client import OracleClient

MOST_CELLS = 5_000
MOST_PROBLEMS = 10_000
SHOWN_MISTAKES = 3
"""Of a cell's wrong answers so many are kept to be looked at."""
_MOST_CHARACTERS = 500
CAVEAT = (
    "These problems were drawn for this trial and are not held out: a checkpoint may have been trained on a few of "
    "them, by the share of the level's problems that its quests held."
)


@dataclass(frozen=True, kw_only=True)
class TrialOrder:
    hero: str
    checkpoints: tuple[str, ...]
    """Names, or steps that only the host knows; `base` is the model before any training; `HERO/NAME` is another hero's.
    """
    levels: dict[str, tuple[int, ...]]
    """By skill."""
    problems: int | None = None
    """None: the evaluation sets, never trained on. A number: so many others of each level, drawn from the seed; see
    CAVEAT."""
    seed: int = 0
    host: str | None = None
    """None: the default one."""
    champion: str | None = None
    """Who was the champion then, where `best` was asked for."""
    best_by_validation_loss: str | None = None
    """Which of the checkpoints was meant by `best`; None where that was not asked for."""

    def __post_init__(self) -> None:
        cells = len(self.checkpoints) * sum(len(levels) for levels in self.levels.values())
        if not 1 <= cells <= MOST_CELLS:
            raise ValueError(f"checkpoints × levels: {cells} cells are not allowed; allowed are 1 to {MOST_CELLS}")
        if self.problems is not None and not 1 <= self.problems <= MOST_PROBLEMS:
            raise ValueError(f"problems: {self.problems} is not allowed; allowed are 1 to {MOST_PROBLEMS}")


@dataclass(frozen=True, kw_only=True)
class WrongAnswer:
    problem: str
    answer: str
    expected: str


@dataclass(frozen=True, kw_only=True)
class Cell:
    skill: str
    level: int
    correct: int = 0
    total: int = 0
    seconds: float = 0.0
    low: float | None = None
    """With `high` the 95% interval of the share of right answers, each 0 to 1."""
    high: float | None = None
    wrong: tuple[WrongAnswer, ...] = ()
    trouble: str = ""
    """Why there is no result."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """One checkpoint's results."""

    hero: str = ""
    """Empty in what earlier releases wrote: the order's."""
    checkpoint: str
    step: int | None = None
    sha256: str | None = None
    """Of the weights that answered."""
    cells: tuple[Cell, ...] = ()
    trouble: str = ""
    """Why it could not be asked, or not to the end."""


@dataclass(frozen=True, kw_only=True)
class TrialResult:
    columns: tuple[Column, ...] = ()
    seconds: float = 0.0


def order(
    *,
    world: World,
    hero: str,
    checkpoints: Sequence[str],
    skills: Sequence[str],
    levels: Sequence[int] | None = None,
    problems: int | None = None,
    seed: int | None = None,
    host: str | None = None,
) -> TrialOrder:
    """`levels` beyond a skill's last are left out for it; None are all. Raises GuildError."""
    wishes = [of_hero(hero, wish) for wish in checkpoints] or [(hero, "")]
    chosen = [(of, item) for of, wish in wishes for item in choose(world, of, [wish])]
    best = "best" in map(str.strip, checkpoints)
    try:
        return TrialOrder(
            hero=hero,
            checkpoints=tuple(dict.fromkeys(_spelled(item, of if of != hero else "") for of, item in chosen)),
            levels={name: _levels(name, levels) for name in map(name_of, skills)},
            problems=problems,
            seed=secrets.randbits(48) if seed is None else seed,
            host=host,
            champion=str(choose(world, hero, ["best"])[0]) if best else None,
        )
    except ValueError as error:
        raise GuildError(str(error)) from error


def of_hero(hero: str, wish: str) -> tuple[str, str]:
    """Whose checkpoint is meant, and which: `HERO/NAME` names another hero's. Raises GuildError."""
    of, slash, name = wish.strip().partition("/")
    if slash and not is_hero_name(of):
        raise GuildError(f"{strict.shown(of)} is no hero's name")
    return (of, name) if slash else (hero, wish)


def _spelled(chosen: Chosen, of: str) -> str:
    name = chosen.name or ("base" if chosen.step == 0 else str(chosen.step))
    return f"{of}/{name}" if of else name


def _levels(skill: str, levels: Sequence[int] | None) -> tuple[int, ...]:
    highest = get_skill(skill).max_level
    found = tuple(level for level in levels or range(1, highest + 1) if 1 <= level <= highest)
    if not found:
        raise GuildError(f"{skill} has none of these levels; it has 1 to {highest}")
    return found


def create(order: TrialOrder, *, by: str) -> Run:
    heroes = [of_hero(order.hero, wish)[0] for wish in order.checkpoints]
    who = order.checkpoints[0] if len(order.checkpoints) == 1 else f"{len(order.checkpoints)} checkpoints"
    whom = " against ".join(dict.fromkeys(heroes)) if len(set(heroes)) > 1 else f"{who} of {order.hero}"
    return runs.create(
        kind=Run.Kind.TRIAL,
        title=f"{whom} on {', '.join(order.levels)}"[:160],
        parameters=asdict(order),
        by=by,
    )


def read_result(value: Mapping[str, Any]) -> TrialResult:
    """What `perform` wrote, also in part. Raises strict.BadConfig."""
    return strict.read(TrialResult, value, source="the trial's result")


@dataclass(frozen=True)
class ProblemSet:
    """One level's problems, or why there are none."""

    skill: str
    level: int
    problems: tuple[Problem, ...] = ()
    trouble: str = ""


def perform(world: World, parameters: dict[str, Any], watch: Watch) -> TrialResult:
    """Column by column. What cannot be loaded or judged is told in its place and the rest goes on.

    Raises GuildError, HostTrouble if the host is down from the beginning, and StopAsked between two batches; what
    cells are there by then is in the run's results.
    """
    asked = strict.read(TrialOrder, parameters, source="the trial's order")
    begun = time.monotonic()
    watch.tell(0, message="the problems are laid out")
    sets = list(problem_sets(world, asked))
    each = sum(len(found.problems) for found in sets)
    watch.tell(0, total=each * len(asked.checkpoints))
    result = TrialResult()
    with hosting.connect(world, asked.host) as client:
        client.health()
        for number, wish in enumerate(asked.checkpoints):
            watch.tell(each * number, message=f"{wish} is loaded")
            of, name = of_hero(asked.hero, wish)
            (chosen,) = choose(world, of, [name])
            with closing(_column(world, client, of, chosen, sets)) as growing:  # it unloads before the client
                for column, answered in growing:
                    grown = replace(result, columns=(*result.columns, column), seconds=_since(begun))
                    watch.tell(each * number + answered, results=partial(asdict, grown))
            result = grown
    return replace(result, seconds=_since(begun))


def _since(begun: float) -> float:
    return round(time.monotonic() - begun, 3)


def problem_sets(world: World, asked: TrialOrder) -> Iterator[ProblemSet]:
    """Level by level what is asked; the same problems whenever it is called for the same order."""
    for skill, levels in sorted(asked.levels.items()):  # a database may keep them in any order
        for level in levels:
            try:
                yield ProblemSet(skill, level, tuple(_problems(world, asked, skill, level)))
            except GuildError as error:
                yield ProblemSet(skill, level, trouble=str(error))


def _problems(world: World, asked: TrialOrder, skill: str, level: int) -> list[Problem]:
    known = get_skill(skill)
    if asked.problems is None:
        return read_evaluation_set(ensure_evaluation_set(world, known, level), skill=skill, level=level)
    seed = derive("trial", asked.seed)
    if why := _why_down(world, skill):
        raise TrainerUnavailable(why)
    with health.trainer_of(world, skill) as trainer:
        source = Fresh(trainer, skill=skill, level=level, seed=seed, forbidden=held_out(world, known))
        return source.take(asked.problems)


def _column(
    world: World, client: OracleClient, hero: str, chosen: Chosen, sets: Sequence[ProblemSet]
) -> Generator[tuple[Column, int], None, None]:
    """The column as it grows, with how many problems were answered, batch by batch; at least once."""
    column, answered = Column(hero=hero, checkpoint=str(chosen), step=chosen.step), 0
    try:
        with hosting.on_host(client, hero=hero, chosen=chosen) as model:
            column = replace(column, checkpoint=model.name, step=model.step, sha256=model.sha256)
            for found in sets:
                cell = Cell(
                    skill=found.skill, level=found.level, trouble=found.trouble or _why_down(world, found.skill)
                )
                if not cell.trouble:
                    begun, pairs = time.monotonic(), []
                    for batch in hosting.ask(client, model, found.problems):
                        pairs += batch
                        answered += len(batch)
                        yield column, answered
                    cell = _judged(world, cell, pairs, seconds=_since(begun))
                column = replace(column, cells=(*column.cells, cell))
                yield column, answered
    except HostTrouble as error:
        yield replace(column, trouble=str(error)), answered


def _why_down(world: World, skill: str) -> str:
    """Of a trainer that is paused; not every cell waits for it anew."""
    return health.down(world)[skill].reason if health.is_down(world, skill) else ""


def _judged(world: World, cell: Cell, answered: Sequence[tuple[Problem, str]], *, seconds: float) -> Cell:
    try:
        with health.trainer_of(world, cell.skill) as trainer:
            wrong = _wrong(trainer, answered)
    except GuildError as error:
        return replace(cell, trouble=str(error))
    correct = len(answered) - len(wrong)
    low, high = wilson(correct, len(answered))
    return replace(
        cell, correct=correct, total=len(answered), seconds=seconds, low=round(low, 4), high=round(high, 4),
        wrong=tuple(wrong[:SHOWN_MISTAKES]),
    )  # fmt: skip


def _wrong(trainer: Trainer, answered: Sequence[tuple[Problem, str]]) -> list[WrongAnswer]:
    verdicts = trainer.judge_all([problem for problem, _ in answered], [answer for _, answer in answered])
    return [
        WrongAnswer(
            problem=problem.prompt[:_MOST_CHARACTERS],
            answer=answer[:_MOST_CHARACTERS],
            expected=problem.answer[:_MOST_CHARACTERS],
        )
        for (problem, answer), right in zip(answered, verdicts, strict=True)
        if not right
    ]


def in_words(result: TrialResult) -> str:
    cells = [cell for column in result.columns for cell in column.cells]
    correct, total = sum(cell.correct for cell in cells), sum(cell.total for cell in cells)
    troubled = [column for column in result.columns if column.trouble]
    failed = f"; {len(troubled)} of {len(result.columns)} checkpoints in trouble" if troubled else ""
    return f"{correct} of {total} right in {len(cells)} cells, {result.seconds:.1f} s{failed}"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One level, before and after."""

    skill: str
    level: int
    before: str
    """Checkpoint."""
    after: str
    before_correct: int
    before_total: int
    after_correct: int
    after_total: int
    low: float
    """With `high` the 95% interval of the difference of the shares."""
    high: float

    @property
    def verdict(self) -> str:
        """What may be said of it without reading noise as progress."""
        if self.low > 0:
            return "better"
        return "worse" if self.high < 0 else "no clear difference"


def compare(before: TrialResult, after: TrialResult) -> list[Comparison]:
    """Levels that both have, of the same checkpoint where both have it, else of the columns in their order."""
    return [
        _compared(one, other, cell, twin)
        for one, other in _pairs(before, after)
        for cell in one.cells
        for twin in other.cells
        if (cell.skill, cell.level) == (twin.skill, twin.level) and cell.total and twin.total
    ]


def _pairs(before: TrialResult, after: TrialResult) -> list[tuple[Column, Column]]:
    by_name = {column.checkpoint: column for column in after.columns}
    same = [(column, by_name[column.checkpoint]) for column in before.columns if column.checkpoint in by_name]
    return same or list(zip(before.columns, after.columns, strict=False))


def _compared(one: Column, other: Column, cell: Cell, twin: Cell) -> Comparison:
    low, high = difference((cell.correct, cell.total), (twin.correct, twin.total))
    return Comparison(
        skill=cell.skill,
        level=cell.level,
        before=one.checkpoint,
        after=other.checkpoint,
        before_correct=cell.correct,
        before_total=cell.total,
        after_correct=twin.correct,
        after_total=twin.total,
        low=round(low, 4),
        high=round(high, 4),
    )
