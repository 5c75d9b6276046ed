"""Sparring: the hero answers fresh problems of its level, and what it got wrong becomes a quest of high priority."""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guild.errors import GuildError
from guild.evaluation import hosting
from guild.evaluation.checkpoints import choose
from guild.evaluation.progression import current_level
from guild.evaluation.validation import held_out
from guild.models import Run
from guild.skills.health import trainer_of
from guild.skills.registry import get_skill
from guild.trainers.contract import Trainer
from guild.trainers.problems import Problem, to_jsonl
from guild.trainers.seeds import shuffled
from guild.work import runs
from guild.work.runs import Watch
from guild.work.sparring_result import Mistake, SparringResult
from guild.work.sparring_rows import Binding, Example, examples_of, quoted, rehearsal_of, to_row
from realm import strict
from realm.disk import durable
from realm.quest_names import sparring_name
from realm.world import World

if TYPE_CHECKING:
    from realm.oracle.sync_client import LoadedModel

MOST_PROBLEMS = 20_000
_SPARE = 200
"""Drawn besides, in place of those that are held out."""
MOST_DRAWN = 2 * MOST_PROBLEMS + _SPARE
LANE = "high"
SHOWN_MISTAKES = 10
"""Of a run's mistakes so many are kept to be looked at; all of them are in its file."""


@dataclass(frozen=True, kw_only=True)
class SparringOrder:
    hero: str
    skill: str
    count: int
    checkpoint: str = "newest"
    level: int | None = None
    """None: the one that the hero works on when it begins."""
    host: str | None = None
    """None: the default one."""
    seed: int
    rehearse: bool = True
    """Whether what the hero gets right, and problems of the levels below, go into the quest as well, asked as ever."""
    quote: bool = True
    """Whether each mistake is corrected once with the wrong answer before it, beside its plain problem."""
    least_right: float = 0.0
    """Share of right answers below which no quest is made: mistakes at a level that the hero knows little of cost it
    the levels below (see `_won`)."""

    def __post_init__(self) -> None:
        if not 1 <= self.count <= MOST_PROBLEMS:
            raise ValueError(f"count: {self.count} is not allowed; allowed are 1 to {MOST_PROBLEMS}")
        if not 0 <= self.least_right <= 1:
            raise ValueError(f"least_right: {self.least_right} is not allowed; allowed are 0 to 1")


def order(
    *,
    world: World,
    hero: str,
    skill: str,
    count: int,
    checkpoint: str | None = None,
    level: int | None = None,
    host: str | None = None,
    seed: int | None = None,
    rehearse: bool = True,
    quote: bool = True,
    least_right: float = 0.0,
) -> SparringOrder:
    """Raises GuildError."""
    known = get_skill(skill)
    if level is not None and not 1 <= level <= known.max_level:
        raise GuildError(f"{skill} has no level {level}; it has 1 to {known.max_level}")
    try:
        asked = SparringOrder(
            hero=hero,
            skill=known.name,
            count=count,
            checkpoint=checkpoint or "newest",
            level=level,
            host=host,
            seed=secrets.randbits(48) if seed is None else seed,
            rehearse=rehearse,
            quote=quote,
            least_right=least_right,
        )
    except ValueError as error:
        raise GuildError(str(error)) from error
    _one(world, asked)
    return asked


def create(order: SparringOrder, *, by: str) -> Run:
    level = "its level" if order.level is None else f"level {order.level}"
    title = f"{order.hero} spars with {order.count} problems of {order.skill}, {level}"
    return runs.create(kind=Run.Kind.SPARRING, title=title, parameters=asdict(order), by=by)


def perform(world: World, parameters: dict[str, Any], watch: Watch) -> SparringResult:
    """Ask, judge, and put the examples into the inbox. Raises GuildError, HostTrouble, OSError, and StopAsked."""
    asked = strict.read(SparringOrder, parameters, source="the sparring's order")
    begun = time.monotonic()
    skill = get_skill(asked.skill)
    level = current_level(hero=asked.hero, skill=skill) if asked.level is None else asked.level
    chosen = _one(world, asked)
    watch.tell(0, total=asked.count, message=f"problems of {skill.name} level {level} are drawn")
    drawn = asked.count * 2 + _SPARE
    with trainer_of(world, skill.name) as trainer, hosting.connect(world, asked.host) as client:
        fresh = _fresh(world, trainer, level, drawn, asked)
        questions, others = fresh[: asked.count], fresh[asked.count :]
        watch.tell(message=f"{chosen} is loaded")
        with hosting.on_host(client, hero=asked.hero, chosen=chosen) as model:
            watch.tell(message=f"{model.id} answers")
            wrong = _mistakes(hosting.ask(client, model, questions), trainer, watch)
        won = _won(world, trainer, level, drawn, asked, rows=3 * len(wrong)) if asked.rehearse else []
    binding = _binding(asked, model, drawn=drawn)
    name = sparring_name(skill.name, level, step=model.step, run_id=watch.run.pk)
    groups = _groups(wrong, others, quote=asked.quote) if _knows_enough(asked, wrong) else []
    right = [*_right(questions, wrong), *won] if asked.rehearse and groups else []
    rows = _mixed(groups, right, asked.seed)
    path = _put(watch.inbox or world.inbox, name, rows, binding, skill=skill.name, level=level) if groups else None
    return SparringResult(
        hero=asked.hero,
        skill=skill.name,
        level=level,
        checkpoint=binding.checkpoint,
        step=model.step,
        sha256=model.sha256,
        asked=len(questions),
        wrong=len(wrong),
        examples=sum(map(len, groups)) - len(groups),
        plain=len(groups),
        rehearsed=len(right),
        quest=name if path else "",
        file=path.relative_to(world.home).as_posix() if path else "",
        seconds=round(time.monotonic() - begun, 3),
        mistakes=tuple(
            Mistake(problem=problem.prompt, answer=answer, expected=problem.answer)
            for problem, answer in wrong[:SHOWN_MISTAKES]
        ),
    )


def in_words(result: SparringResult) -> str:
    said = (
        f"{result.asked - result.wrong} of {result.asked} right at {result.skill} level {result.level} "
        f"by {result.checkpoint}"
    )
    if not result.wrong:
        return f"{said}; nothing was wrong, so there is nothing to learn from it"
    if not result.examples:
        return f"{said}; that is too little to learn from mistakes, so no quest is made of them"
    beside = f", {result.plain} plain problems of theirs" if result.plain else ""
    beside += f" and {result.rehearsed} of what it knows" if result.rehearsed else ""
    return (
        f"{said}; {result.examples} examples of {result.wrong} mistakes{beside} go to the gatekeepers as {result.quest}"
    )


def _knows_enough(asked: SparringOrder, wrong: Sequence[tuple[Problem, str]]) -> bool:
    return asked.count - len(wrong) >= asked.least_right * asked.count


def _one(world: World, asked: SparringOrder) -> Any:
    chosen = choose(world, asked.hero, [asked.checkpoint])
    if len(chosen) != 1:
        raise GuildError(f"One checkpoint spars at a time; {asked.checkpoint} are {len(chosen)}")
    return chosen[0]


def _fresh(world: World, trainer: Trainer, level: int, drawn: int, asked: SparringOrder) -> list[Problem]:
    """At most two for each question, none of them held out and no two alike."""
    found = _usable(world, trainer, level, drawn, asked)
    if len(found) < 2 * asked.count:
        raise GuildError(
            f"{asked.skill} level {level} gave only {len(found)} different problems that are not held out; "
            f"{2 * asked.count} are needed for {asked.count} questions"
        )
    return found[: 2 * asked.count]


def _usable(world: World, trainer: Trainer, level: int, drawn: int, asked: SparringOrder) -> list[Problem]:
    forbidden = held_out(world, get_skill(asked.skill))
    sampled = sample(trainer, level=level, drawn=drawn, seed=asked.seed)
    return list({problem.key: problem for problem in sampled if problem.key not in forbidden}.values())


def _won(world: World, trainer: Trainer, level: int, drawn: int, asked: SparringOrder, *, rows: int) -> list[Example]:
    """Of the levels below `rows` in equal shares, or as many as their draws hold.

    This is no safeguard. Of an embedded hero that got nothing right at level 3, a sparring with as many of these rows
    as of examples kept level 1 (24 of 25 before, 100 of 100 after) and lost level 2 (24 of 25, 8 of 100); with a third
    as many both were lost.
    """
    found: list[Example] = []
    for lower in range(1, level):
        share = rows * lower // (level - 1) - rows * (lower - 1) // (level - 1)
        if share:
            found += map(rehearsal_of, _usable(world, trainer, lower, drawn, asked)[:share])
    return found


def sample(trainer: Trainer, *, level: int, drawn: int, seed: int) -> list[Problem]:
    """The problems of a sparring, which its binding names. Raises GuildError."""
    try:
        return trainer.sample(level=level, count=drawn, seed=seed)
    except ValueError as error:  # as guild.trainers.seeds.draw_distinct
        raise GuildError(f"The trainer has no {drawn} problems of level {level}: {error}") from error


def _mistakes(batches: Any, trainer: Trainer, watch: Watch) -> list[tuple[Problem, str]]:
    wrong: list[tuple[Problem, str]] = []
    done = 0
    for batch in batches:
        problems = [problem for problem, _ in batch]
        quotes = [quoted(answer, right=problem.answer) for problem, answer in batch]
        # Both must be wrong: what is cut off may be what was wrong.
        verdicts = zip(
            trainer.judge_all(problems, [answer for _, answer in batch]),
            trainer.judge_all(problems, quotes),
            strict=True,
        )
        for problem, (_, answer), quote, (whole, cut) in zip(problems, batch, quotes, verdicts, strict=True):
            if not whole:
                wrong.append((problem, answer.strip() if cut else quote))
        done += len(batch)
        watch.tell(done)
    return wrong


def _binding(asked: SparringOrder, model: LoadedModel, *, drawn: int) -> Binding:
    return Binding(
        hero=asked.hero,
        checkpoint=model.name,
        step=model.step,
        sha256=model.sha256,
        seed=asked.seed,
        drawn=drawn,
    )


def _groups(
    wrong: Sequence[tuple[Problem, str]], others: Sequence[Problem], *, quote: bool
) -> list[tuple[Example, ...]]:
    """The rows of each mistake."""
    return [
        examples_of(problem, answer, other, group=group, quote=quote)
        for group, ((problem, answer), other) in enumerate(zip(wrong, others, strict=False), 1)
    ]


def _right(questions: Sequence[Problem], wrong: Sequence[tuple[Problem, str]]) -> list[Example]:
    mistaken = {problem.key for problem, _ in wrong}
    return [rehearsal_of(problem) for problem in questions if problem.key not in mistaken]


def _mixed(groups: Sequence[tuple[Example, ...]], right: Sequence[Example], seed: int) -> list[Example]:
    """Groups stay together and in their order; what is rehearsed lies anywhere between them."""
    mistakes, alone = iter(groups), iter(right)
    places = shuffled([True] * len(groups) + [False] * len(right), random.Random(seed))
    return [example for is_group in places for example in (next(mistakes) if is_group else [next(alone)])]


def _put(inbox: Path, name: str, examples: Sequence[Example], binding: Binding, *, skill: str, level: int) -> Path:
    """Whole or not at all, into the inbox's folder of high priority: the door of any quest."""
    folder = inbox / LANE
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.jsonl"
    data = to_jsonl(to_row(example, binding, skill=skill, level=level) for example in examples)
    durable.create_bytes(path, data)
    return path
