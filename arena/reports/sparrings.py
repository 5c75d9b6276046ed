"""What became of the sparrings: the quests that came of them, and whether the hero is the better for it."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

from arena.models import Battle, Quest
from guild.models import Evaluation, Run
from guild.work import runs
from guild.work.intervals import difference
from guild.work.sparring_result import SparringResult
from realm import strict
from realm.branch_rows import on_line
from realm.disk import durable
from realm.quest_names import is_sparring_name
from realm.world import World

STATUS_FILE = "sparring.json"
MOST_LISTED = 50


@dataclass(frozen=True, kw_only=True)
class Gain:
    """A level's evaluations around the sparring's battle: the last one before it, the last one of it."""

    level: int
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
    """Of the level that was sparred at."""
    below: tuple[Gain, ...] = ()
    """Of the levels below it that were evaluated before and after, the lowest first: what its battle cost them."""

    @property
    def unknown_below(self) -> int:
        """Levels below of which nobody knows what became of them."""
        return self.result.level - 1 - len(self.below) if self.result else 0


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
    gains = _gains(quest, result)
    return Sparring(
        run=run.pk,
        state=quest.state,
        reason=quest.reason,
        result=result,
        gain=gains.pop(result.level, None),
        below=tuple(gains.values()),
    )


def _result(run: Run) -> SparringResult | None:
    try:
        return strict.read(SparringResult, runs.results(run), source=f"run {run.pk}")
    except strict.BadConfig:  # none yet, or of another version
        return None


def _gains(quest: Quest, result: SparringResult) -> dict[int, Gain]:
    """By level, the lowest first: the sparred one and those below it that were evaluated before and after."""
    battle = Battle.objects.filter(quest=quest, first_step__isnull=False, total_steps__isnull=False).last()
    if battle is None or battle.first_step is None or battle.total_steps is None:
        return {}
    first, last = battle.first_step, battle.first_step + battle.total_steps
    found = Evaluation.objects.filter(
        on_line(result.hero, battle.branch), hero=result.hero, skill=result.skill, level__lte=result.level
    )
    found = found.order_by("step", "id")
    newest = {after.level: after for after in found.filter(step__gt=first, step__lte=last)}
    around = ((found.filter(level=level, step__lte=first).last(), newest[level]) for level in sorted(newest))
    return {after.level: _gain(before, after) for before, after in around if before}


def _gain(before: Evaluation, after: Evaluation) -> Gain:
    low, high = difference((before.correct, before.total), (after.correct, after.total))
    return Gain(
        level=after.level,
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
    view["gain"] = _gain_to_json(sparring.gain) if sparring.gain else None
    view["below"] = [_gain_to_json(gain) for gain in sparring.below]
    return view


def _gain_to_json(gain: Gain) -> dict[str, Any]:
    return asdict(gain) | {"share": round(gain.share, 4), "is_clear": gain.is_clear}
