"""`manage.py evaluate CHECKPOINT`: a trial of it and of the base model, and what chance would score."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, OutputWrapper
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from arena.management import own_oracle
from arena.preview.terminal import visible
from guild.errors import GuildError
from guild.evaluation import chance, checkpoints
from guild.evaluation.chance import Chance
from guild.evaluation.progression import current_level
from guild.management import foreground
from guild.skills.registry import get_skill, list_skills, name_of
from guild.work import runs, scorecard, trials
from guild.work.scorecard import Line, Share
from guild.work.trials import TrialOrder
from realm.config import RealmConfig
from realm.management.as_json import write_json
from realm.strict import BadConfig
from realm.world import World

BASE = "base"
CHAMPION = "champion"


@dataclass(frozen=True, kw_only=True)
class Scorecard:
    checkpoint: str
    step: int | None
    sha256: str | None
    """Of the weights that answered."""
    run: int
    """By which `manage.py runs show` knows it."""
    host: str
    problems: str
    """Which ones were asked."""
    caveat: str
    """What is to be kept in mind of them; empty of the held-out ones."""
    chance_is: str
    seconds: float
    lines: list[Line]


def evaluate(stdout: OutputWrapper, stderr: OutputWrapper, world: World, config: RealmConfig, options: Any) -> None:
    """Ask, keep the run, and show what came of it. Raises CommandError."""
    # A document is alone on standard output.
    progress = stderr if options["json"] else stdout
    try:
        order = _order(world, config, options)
        with own_oracle.answering(world, config, options["host"], progress.write) as host:
            run = foreground.see_through(progress, world, trials.create(order, by=foreground.asker()).pk)
        result = trials.read_result(runs.results(run))
        card = Scorecard(
            checkpoint=result.columns[0].checkpoint,
            step=result.columns[0].step,
            sha256=result.columns[0].sha256,
            run=run.pk,
            host=host.id,
            problems=_problems_in_words(order),
            caveat="" if order.problems is None else trials.CAVEAT,
            chance_is=chance.HOW,
            seconds=result.seconds,
            lines=scorecard.lines(result, _chances(world, order, progress.write)),
        )
    except (GuildError, BadConfig, ValueError) as error:
        raise CommandError(str(error)) from error
    if options["json"]:
        write_json(stdout, card)
    else:
        _print(stdout, card)
    troubles = [column.trouble for column in result.columns if column.trouble]
    if troubles:
        raise CommandError(troubles[0])


def _order(world: World, config: RealmConfig, options: Any) -> TrialOrder:
    """The checkpoint, then the base model; each skill's levels up to the one that the hero works on, unless named."""
    hero = options["hero"] or config.hero
    (chosen,) = _one(checkpoints.choose(world, hero, [meant(options["checkpoint"])]))
    skills = options["skill"] or list_skills()
    levels = foreground.levels(options["level"]) if options["level"] else None
    order = trials.order(
        world=world,
        hero=hero,
        checkpoints=[str(chosen), *([] if str(chosen) == BASE else [BASE])],
        skills=skills,
        levels=levels,
        problems=options["count"],
        host=options["host"],
    )
    if levels is not None:
        return order
    known = [get_skill(name_of(skill)) for skill in skills]
    reached = {skill.name: tuple(range(1, current_level(hero=hero, skill=skill) + 1)) for skill in known}
    return replace(order, levels=reached)


def _one(chosen: tuple[checkpoints.Chosen, ...]) -> tuple[checkpoints.Chosen]:
    if len(chosen) != 1:
        raise GuildError("Name one checkpoint; `manage.py trial` asks several side by side")
    return (chosen[0],)


def meant(text: str) -> str:
    """What the guild calls it; a folder's path stands for its name."""
    if text == CHAMPION:
        return "best"
    return Path(text).name if "/" in text else text


def _chances(
    world: World, order: TrialOrder, say: Callable[[str], object]
) -> dict[tuple[str, int], Chance | None]:  # fmt: skip
    found: dict[tuple[str, int], Chance | None] = {}
    for one in trials.problem_sets(world, order):
        try:
            found[one.skill, one.level] = chance.of_problems(world, one.skill, one.problems)
        except GuildError as error:
            say(f"{one.skill} level {one.level}: chance is not known: {error}")
            found[one.skill, one.level] = None
    return found


def _problems_in_words(order: TrialOrder) -> str:
    if order.problems is None:
        return "the held-out problems of each level"
    return f"{order.problems} problems of each level, drawn from seed {order.seed}"


def _print(stdout: OutputWrapper, card: Scorecard) -> None:
    console = Console(file=stdout, highlight=False)  # type: ignore[arg-type]
    console.print(f"{escape(visible(card.checkpoint))} on {card.problems}; 95% intervals in brackets.")
    table = Table("skill", "level", "right", "base model", "chance", "than base", "than chance")
    for line in card.lines:
        table.add_row(
            escape(line.skill), "all" if line.level is None else str(line.level), _share(line.checkpoint),
            _share(line.base), "--" if line.chance is None else f"{line.chance:.1%}",
            _verdict(line.versus_base), _verdict(line.versus_chance), end_section=line.level is None,
        )  # fmt: skip
    console.print(table)
    for trouble in dict.fromkeys(line.trouble for line in card.lines if line.trouble):
        console.print(escape(visible(trouble)))
    for note in filter(None, (f"Chance: {card.chance_is}.", card.caveat)):
        console.print(note)


def _share(share: Share | None) -> str:
    return (
        "--"
        if share is None
        else f"{share.correct}/{share.total} {share.accuracy:.0%} ({share.low:.0%}-{share.high:.0%})"
    )


def _verdict(verdict: str | None) -> str:
    return {None: "--", "no clear difference": "unclear"}.get(verdict, str(verdict))
