"""Matches: two heroes on the very same evaluation sets, in one trial, so that nothing else differs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from guild.errors import GuildError
from guild.models import Run
from guild.work import trials
from guild.work.intervals import difference
from guild.work.trials import Column, Comparison, TrialOrder, TrialResult
from realm import heroes
from realm.world import World

MOST_LOOKED_AT = 200


@dataclass(frozen=True, kw_only=True)
class Score:
    """Over all levels that both answered."""

    first: str
    """Hero and checkpoint."""
    second: str
    levels: tuple[Comparison, ...]
    first_correct: int
    second_correct: int
    total: int
    low: float
    """With `high` the 95% interval of the second's share of right answers less the first's."""
    high: float

    @property
    def verdict(self) -> str:
        """What may be said without reading noise as a victory."""
        if self.low > 0:
            return f"{self.second} is better"
        return f"{self.first} is better" if self.high < 0 else "no clear difference"


def order(
    *,
    world: World,
    first: tuple[str, str],
    second: tuple[str, str],
    skills: Sequence[str],
    levels: Sequence[int] | None = None,
    host: str | None = None,
) -> TrialOrder:
    """Of two (hero, checkpoint), each `newest`, `best`, `base`, a name or a step. Raises GuildError."""
    for hero, wish in (first, second):
        if wish == "all":
            raise GuildError("a match is between two checkpoints; all of a hero's are for a trial")
        if not heroes.is_here(world, hero):
            raise GuildError(f"there is no hero {hero[:80]!r} here")
    wishes = [first[1], "/".join(second)]
    made = trials.order(world=world, hero=first[0], checkpoints=wishes, skills=skills, levels=levels, host=host)
    if len(made.checkpoints) < 2:
        raise GuildError("a match is between two: these are one and the same checkpoint")
    return made


def is_match(run: Run) -> bool:
    wishes = run.parameters.get("checkpoints", ()) if run.kind == Run.Kind.TRIAL else ()
    return len(wishes) == 2 and any("/" in wish for wish in wishes)


def recent(most: int) -> list[Run]:
    """The newest first."""
    runs = Run.objects.filter(kind=Run.Kind.TRIAL).order_by("-id")[:MOST_LOOKED_AT]
    return [run for run in runs if is_match(run)][:most]


def score(result: TrialResult) -> Score | None:
    """None until both have answered a level."""
    if len(result.columns) != 2:
        return None
    one, other = result.columns
    levels = tuple(trials.compare(TrialResult(columns=(one,)), TrialResult(columns=(other,))))
    same = tuple(level for level in levels if level.before_total == level.after_total)
    if not same:
        return None
    first, second = sum(level.before_correct for level in same), sum(level.after_correct for level in same)
    total = sum(level.before_total for level in same)
    low, high = difference((first, total), (second, total))
    return Score(
        first=_named(one), second=_named(other), levels=same, first_correct=first, second_correct=second, total=total,
        low=round(low, 4), high=round(high, 4),
    )  # fmt: skip


def _named(column: Column) -> str:
    step = "its base model" if column.step == 0 else f"step {column.step:,}" if column.step else column.checkpoint
    return f"{column.hero} at {step}"
