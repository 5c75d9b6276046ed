"""Battles as programs read them: the same documents for the API and for `manage.py battle … --json`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from arena.history import notes, recipes
from arena.history.recipes import RecipeRow
from arena.models import Battle
from arena.reports.battle_recipe import Change
from arena.selectors import battle_before
from realm.world import World
from watchtower.battles import deeds, facts, figures, weights
from watchtower.battles.comparing import Comparison, LossRow
from watchtower.battles.deeds import Deeds
from watchtower.battles.efficiency import Cost
from watchtower.battles.facts import Data, LevelChange, Proof
from watchtower.battles.figures import Figures
from watchtower.battles.weights import Moved


@dataclass(frozen=True, kw_only=True)
class BattleLine:
    """One of a list."""

    id: str
    title: str
    """Its label, or its quest's name."""
    label: str
    note: str
    tags: tuple[str, ...]
    quest: str
    quest_id: int
    skill: str
    level: int | None
    hero: str
    branch: str
    state: str
    deleted: bool
    started_at: datetime
    ended_at: datetime | None
    figures: Figures | None
    deeds: Deeds


@dataclass(frozen=True, kw_only=True)
class BattleSummary:
    battle: BattleLine
    verdict: str
    began_from: str | None
    repeat_of: str
    levels: tuple[LevelChange, ...]
    data: Data
    cost: Cost | None
    proofs: tuple[Proof, ...]
    faults: tuple[str, ...]
    checkpoints: tuple[str, ...]
    recipe: dict[str, str]
    other_than_shipped: tuple[Change, ...] | None
    other_than_before: tuple[Change, ...] | None
    moved: Moved | None


@dataclass(frozen=True, kw_only=True)
class ComparisonTold:
    verdict: str
    battles: tuple[BattleLine, ...]
    differences: tuple[RecipeRow, ...]
    """Of the recipe."""
    recipe: tuple[RecipeRow, ...]
    losses: tuple[LossRow, ...]
    data: tuple[Data, ...]
    costs: tuple[Cost | None, ...]
    moved: tuple[Moved | None, ...]


def lines(world: World, battles: Sequence[Battle]) -> list[BattleLine]:
    done = deeds.of_battles([battle.battle_id for battle in battles])
    return [
        _line(battle, figures.of_battle(world, battle), done.get(battle.battle_id, deeds.NONE)) for battle in battles
    ]


def _line(battle: Battle, of: Figures | None, did: Deeds) -> BattleLine:
    record = notes.record_of(battle)
    written = notes.of_record(record)
    return BattleLine(
        id=battle.battle_id, title=facts.title_of(battle), label=written.label, note=written.note, tags=written.tags,
        quest=battle.quest.name, quest_id=battle.quest.pk, skill=battle.quest.skill, level=battle.quest.level,
        hero=battle.hero, branch=battle.branch, state=battle.state, deleted=record.deleted_at is not None,
        started_at=battle.started_at, ended_at=battle.ended_at, figures=of, deeds=did,
    )  # fmt: skip


def summary(world: World, battle: Battle) -> BattleSummary:
    side = facts.read(world, battle)
    before = battle_before(battle)
    return BattleSummary(
        battle=_line(battle, side.figures, side.deeds),
        verdict=side.verdict,
        began_from=side.began_from,
        repeat_of=side.repeat_of,
        levels=side.levels,
        data=side.data,
        cost=side.cost,
        proofs=side.proofs,
        faults=side.faults,
        checkpoints=side.checkpoints,
        recipe={row.key: row.values[0] for row in recipes.table(world, [battle])},
        other_than_shipped=recipes.from_defaults(world, battle),
        other_than_before=recipes.between(world, before, battle) if before else None,
        moved=weights.moved(world, battle, side.source) if side.source else None,
    )


def told(comparison: Comparison) -> ComparisonTold:
    return ComparisonTold(
        verdict=comparison.verdict,
        battles=tuple(_line(side.battle, side.figures, side.deeds) for side in comparison.sides),
        differences=comparison.differences,
        recipe=comparison.recipe,
        losses=comparison.losses,
        data=tuple(side.data for side in comparison.sides),
        costs=tuple(side.cost for side in comparison.sides),
        moved=comparison.moved,
    )
