"""The board of champions: the best of a hero's checkpoints by one metric, and what each is measured by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import nlargest
from itertools import groupby
from statistics import fmean

from django.db.models import QuerySet

from guild.champion import crown
from guild.champion.crown import Champion
from guild.champion.rule import LEVELS, Level, spelled
from guild.evaluation.progression import ENOUGH_ACCURACY
from guild.models import Evaluation
from guild.skills.registry import read_skills
from realm.branch_rows import on_line
from realm.world import World
from tavern import formatting
from tavern.live_settings import read_settings
from vault.models import Checkpoint

PLACES = 20
MOST_JUDGED = 500
METRICS = {
    LEVELS: "levels held",
    "val_loss": "validation loss",
    "train_loss": "train loss",
    "accuracy": "right answers",
}
LOSSES = ("val_loss", "train_loss")
OF_SKILL = "skill:"
"""With a skill's name behind it: the levels of that skill alone."""


def metrics() -> dict[str, str]:
    """Each metric that a board can have, and its title."""
    return METRICS | {f"{OF_SKILL}{skill.name}": skill.title for skill in read_skills()}


@dataclass(frozen=True, kw_only=True)
class Place:
    rank: int
    row: Checkpoint
    value: str
    why: str
    """What it was measured by."""
    crowned: bool


@dataclass(frozen=True, kw_only=True)
class Board:
    metric: str
    places: list[Place]
    champion: Champion | None
    """By the metric of the settings."""
    rule: str
    """That metric."""
    pinned: bool


def read_board(world: World, hero: str, metric: str) -> Board:
    """Of what the hero has come from; losses of those alone that were measured over the newest set."""
    rule = read_settings(world)[0].champion_metric
    metric = metric if metric in metrics() else rule if rule in METRICS else LEVELS
    holder = _holder(world, hero, rule)
    found = _by_loss(hero, metric) if metric in LOSSES else _by_answers(hero, metric)
    return Board(
        metric=metric,
        places=[
            Place(rank=rank, row=row, value=value, why=why, crowned=holder is not None and holder.name == row.name)
            for rank, (row, value, why) in enumerate(found, 1)
        ],
        champion=holder,
        rule=rule,
        pinned=any(holder is not None and pin.name == holder.name for pin in crown.pins(world, hero).values()),
    )


def _holder(world: World, hero: str, rule: str) -> Champion | None:
    """Of thousands nobody is chosen while a page is drawn: the arena does after each save, and remembers."""
    if crown.crowned(world, hero) or Checkpoint.objects.filter(hero=hero)[MOST_JUDGED:].count() == 0:
        return crown.champion(world, hero, rule)
    return None


def _by_loss(hero: str, metric: str) -> list[tuple[Checkpoint, str, str]]:
    mine = Checkpoint.objects.filter(on_line(hero, name="name"), hero=hero, **{f"{metric}__isnull": False})
    over = ""
    if metric == "val_loss":
        newest = mine.filter(val_set__isnull=False).order_by("-step").first()
        if newest is not None and newest.val_set:
            mine = mine.filter(val_set_sha256=newest.val_set_sha256)
            over = f" over {newest.val_set['name']}: {newest.val_set['rows']:,} rows"
    found = mine.order_by(metric, "step", "name")[:PLACES]
    return [(row, formatting.loss(getattr(row, metric)), f"{METRICS[metric]}{over}") for row in found]


@dataclass(frozen=True, kw_only=True)
class _Standing:
    """How one checkpoint stands by answers."""

    name: str
    step: int
    held: frozenset[Level]
    """As the champion's rule counts them: what it was not asked, an older one's answers say."""
    share: float
    """Of right answers, over the levels that it was asked itself."""


def _by_answers(hero: str, metric: str) -> list[tuple[Checkpoint, str, str]]:
    """Most levels held, or the largest share of right answers; of equals the later one."""
    skill = metric.removeprefix(OF_SKILL) if metric.startswith(OF_SKILL) else ""
    asked = Evaluation.objects.filter(on_line(hero), hero=hero, **({"skill": skill} if skill else {}))
    here = set(Checkpoint.objects.filter(hero=hero).values_list("name", flat=True))
    standings = (standing for standing in _standings(asked) if standing.name in here)
    if metric == "accuracy":
        best = nlargest(PLACES, standings, key=lambda one: (one.share, len(one.held), one.step))
    else:
        best = nlargest(PLACES, standings, key=lambda one: (len(one.held), one.share, one.step))
    rows = {row.name: row for row in Checkpoint.objects.filter(hero=hero, name__in=[one.name for one in best])}
    return [
        (
            rows[one.name],
            _value(metric, len(one.held), one.share),
            f"holds {spelled(one.held)}" if one.held else "holds no level",
        )
        for one in best
        if one.name in rows
    ]


def _standings(asked: QuerySet[Evaluation]) -> Iterator[_Standing]:
    """Of every checkpoint that was asked, the oldest first."""
    found = asked.order_by("step", "id").values_list("step", "checkpoint", "skill", "level", "correct", "total")
    held: set[Level] = set()
    for step, rows in groupby(found.iterator(), key=lambda row: row[0]):
        own: dict[str, dict[Level, float]] = {}
        for _, name, skill, level, correct, total in rows:
            own.setdefault(name, {})[skill, level] = correct / total if total else 0.0
        before = frozenset(held)
        for name, answers in own.items():
            good = {level for level, accuracy in answers.items() if accuracy >= ENOUGH_ACCURACY}
            yield _Standing(name=name, step=step, held=before - answers.keys() | good, share=fmean(answers.values()))
            held = held - answers.keys() | good


def _value(metric: str, held: int, share: float) -> str:
    right = f"{formatting.percent(share)} right"
    return right if metric == "accuracy" else f"{held} level{'' if held == 1 else 's'}, {right}"
