"""The board of champions: the best of a hero's checkpoints by one metric, and what each is measured by."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Avg, Count, Exists, F, FloatField, Max, OuterRef, Q
from django.db.models.functions import Cast

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


def _by_answers(hero: str, metric: str) -> list[tuple[Checkpoint, str, str]]:
    """Most levels held, or the largest share of right answers; of equals the later one."""
    good = Q(correct__gte=F("total") * ENOUGH_ACCURACY)
    share = Avg(Cast("correct", FloatField()) / Cast("total", FloatField()))
    here = Exists(Checkpoint.objects.filter(hero=hero, name=OuterRef("checkpoint")))
    skill = metric.removeprefix(OF_SKILL) if metric.startswith(OF_SKILL) else ""
    asked = Evaluation.objects.filter(on_line(hero), hero=hero, **({"skill": skill} if skill else {}))
    told = (
        asked.filter(here)
        .order_by()
        .values("checkpoint")
        .annotate(held=Count("pk", filter=good), share=share, at=Max("step"))
    )
    first = ("-share", "-held") if metric == "accuracy" else ("-held", "-share")
    ranked = {row["checkpoint"]: row for row in told.order_by(*first, "-at")[:PLACES]}
    rows = {row.name: row for row in Checkpoint.objects.filter(hero=hero, name__in=ranked)}
    levels: dict[str, set[Level]] = {name: set() for name in ranked}
    for name, of_skill, level in asked.filter(good, checkpoint__in=ranked).values_list("checkpoint", "skill", "level"):
        levels[name].add((of_skill, level))
    return [
        (
            rows[name],
            _value(metric, row["held"], row["share"]),
            f"holds {spelled(levels[name])}" if levels[name] else "holds no level",
        )
        for name, row in ranked.items()
        if name in rows
    ]


def _value(metric: str, held: int, share: float) -> str:
    right = f"{formatting.percent(share)} right"
    return right if metric == "accuracy" else f"{held} level{'' if held == 1 else 's'}, {right}"
