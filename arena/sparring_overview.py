"""What became of the sparrings: the quests that came of them, and whether the hero is the better for it."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

from arena.models import Battle, Quest
from guild import runs
from guild.intervals import difference
from guild.models import Evaluation, Run
from guild.sparring import SparringResult, is_sparring_name
from realm import durable, strict
from realm.world import World

STATUS_FILE = "sparring.json"
MOST_LISTED = 50


@dataclass(frozen=True, kw_only=True)
class Gain:
    """The level's evaluations around the sparring's battle: the last one before it, the last one of it."""

    before_step: int
    before_correct: int
    before_total: int
    after_step: int
    after_correct: int
    after_total: int
    low: float
    """With `high` the 95% interval of the difference of the shares; noise is what has 0 within."""
    high: float

    @property
    def share(self) -> float:
        return self.after_correct / self.after_total - self.before_correct / self.before_total

    @property
    def is_clear(self) -> bool:
        return self.low > 0 or self.high < 0


@dataclass(frozen=True, kw_only=True)
class Sparring:
    run: int
    state: str
    """Of the run while it is not over; then of its quest, or `nothing wrong`, or `in the inbox`, or `gone`."""
    reason: str = ""
    result: SparringResult | None = None
    gain: Gain | None = None


def sparrings(
    world: World, *, hero: str | None = None, skill: str | None = None, limit: int = MOST_LISTED
) -> list[Sparring]:
    """The newest first."""
    found = runs.history(Run.Kind.SPARRING)
    if hero is not None:
        found = found.filter(parameters__hero=hero)
    if skill is not None:
        found = found.filter(parameters__skill=skill)
    return [sparring_of(world, run) for run in found[:limit]]


def sparring_of(world: World, run: Run) -> Sparring:
    result = _result(run)
    if run.state != Run.State.COMPLETED or result is None:
        return Sparring(run=run.pk, state=run.state, reason=run.message, result=result)
    if not result.quest:
        return Sparring(run=run.pk, state="nothing wrong", result=result)
    quest = Quest.objects.filter(name=result.quest, arrived_at__gte=run.started_at).order_by("-id").first()
    if quest is None:
        state = "in the inbox" if (world.home / result.file).exists() else "gone"
        return Sparring(run=run.pk, state=state, result=result)
    return Sparring(
        run=run.pk, state=quest.state, reason=quest.reason, result=result, gain=_gain(quest, result)
    )  # fmt: skip


def _result(run: Run) -> SparringResult | None:
    try:
        return strict.read(SparringResult, runs.results(run), source=f"run {run.pk}")
    except strict.BadConfig:  # none yet, or of another version
        return None


def _gain(quest: Quest, result: SparringResult) -> Gain | None:
    """None until the level was evaluated before and after."""
    battle = Battle.objects.filter(quest=quest, first_step__isnull=False, total_steps__isnull=False).last()
    if battle is None or battle.first_step is None or battle.total_steps is None:
        return None
    level = Evaluation.objects.filter(hero=result.hero, skill=result.skill, level=result.level).order_by("step", "id")
    before = level.filter(step__lte=battle.first_step).last()
    after = level.filter(step__gt=battle.first_step, step__lte=battle.first_step + battle.total_steps).last()
    if before is None or after is None:
        return None
    low, high = difference((before.correct, before.total), (after.correct, after.total))
    return Gain(
        before_step=before.step,
        before_correct=before.correct,
        before_total=before.total,
        after_step=after.step,
        after_correct=after.correct,
        after_total=after.total,
        low=round(low, 4),
        high=round(high, 4),
    )


def is_sparring(quest: Quest) -> bool:
    """By its name, which is enough to keep a view fresh."""
    return is_sparring_name(quest.name)


def write(world: World) -> None:
    """`status/sparring.json`: the newest sparrings, and of each skill the newest that came to an end."""
    found = sparrings(world)
    skills: dict[str, Any] = {}
    for sparring in found:
        if sparring.result:
            skills.setdefault(sparring.result.skill, to_json(sparring))
    view = {"time": time.time(), "skills": skills, "sparrings": [to_json(sparring) for sparring in found]}
    durable.write_json(world.status / STATUS_FILE, view, sync=False)


def to_json(sparring: Sparring) -> dict[str, Any]:
    view = asdict(sparring)
    view["result"] = None
    if sparring.result:
        view["result"] = asdict(sparring.result) | {"accuracy": round(sparring.result.accuracy, 4)}
        view["result"].pop("mistakes")
    if sparring.gain:
        view["gain"] |= {"share": round(sparring.gain.share, 4), "is_clear": sparring.gain.is_clear}
    return view
