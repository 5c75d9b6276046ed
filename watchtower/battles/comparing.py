"""Up to six battles beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from arena.history import finding, recipes
from arena.history.recipes import RecipeRow
from arena.reports.battle_recipe import UNKNOWN
from realm.world import World
from watchtower.battles import drawing, facts, verdict, weights
from watchtower.battles.drawing import Axis
from watchtower.battles.facts import Facts
from watchtower.battles.weights import Moved

MOST, FEWEST = 6, 2


class CannotCompare(ValueError):
    """Why, in a sentence."""


@dataclass(frozen=True, kw_only=True)
class LossRow:
    """Of one set of rows; battles that were scored over other rows of that name have a row of their own."""

    label: str
    values: tuple[float | None, ...]
    """At the end, in the battles' order."""
    lowest: int | None
    """Place of the lowest; None where fewer than two were scored, or two are alike."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    sides: tuple[Facts, ...]
    recipe: tuple[RecipeRow, ...]
    losses: tuple[LossRow, ...]
    moved: tuple[Moved | None, ...]
    """None where they were not asked for."""
    verdict: str

    @property
    def differences(self) -> tuple[RecipeRow, ...]:
        return tuple(row for row in self.recipe if row.differs)

    @property
    def titles(self) -> tuple[str, ...]:
        return titles_of(self.sides)


def ids_of(values: Sequence[str]) -> list[str]:
    """Each given as an id or as several with commas between. Raises CannotCompare."""
    ids = list(dict.fromkeys(one.strip() for value in values for one in value.split(",") if one.strip()))
    if len(ids) < FEWEST:
        raise CannotCompare("ids: choose two battles at least to compare them")
    if len(ids) > MOST:
        raise CannotCompare(f"ids: {len(ids)} battles are more than can be told apart; {MOST} are compared at most")
    return ids


def compare(world: World, ids: Sequence[str], *, with_weights: bool = True) -> Comparison:
    """Battles by id, in that order. Raises CannotCompare, NoSuchBattle."""
    wanted = [finding.get(battle) for battle in ids_of(ids)]
    battles = list({battle.pk: battle for battle in wanted}.values())
    ids_of([battle.battle_id for battle in battles])
    sides = tuple(facts.read(world, battle) for battle in battles)
    rows = tuple(recipes.table(world, battles))
    return Comparison(
        sides=sides,
        recipe=rows,
        losses=tuple(_losses(sides)),
        moved=tuple(
            weights.moved(world, side.battle, side.source) if with_weights and side.source else None for side in sides
        ),
        verdict=verdict.of_several(
            titles_of(sides),
            [side.figures for side in sides],
            [side.deeds for side in sides],
            changed=[row.key for row in rows if row.differs],
            same_data=_alike([side.rows_trained for side in sides]),
            same_beginning=_alike([side.beginning for side in sides]),
            recipe_known=all(row.values.count(UNKNOWN) == 0 for row in rows),
        ),
    )


def _alike(values: Sequence[object]) -> bool | None:
    """None where one of them is not known and the others do not differ."""
    known = {value for value in values if value is not None}
    if len(known) > 1:
        return False
    return None if None in values else True


def titles_of(sides: Sequence[Facts]) -> tuple[str, ...]:
    """Two of one title are told apart by their ids."""
    titles = [side.title for side in sides]
    return tuple(
        side.title if titles.count(side.title) == 1 else f"{side.title} ({side.battle.battle_id})" for side in sides
    )


def _losses(sides: Sequence[Facts]) -> list[LossRow]:
    keys = dict.fromkeys(one.key for side in sides if side.figures for one in side.figures.validation)
    names = [name for name, *_ in keys]
    found = []
    for key in keys:
        values = tuple(verdict.last_over(side.figures, key) for side in sides)
        apart = f" {(key[2] or 'no digest')[:8]}" if names.count(key[0]) > 1 else ""
        rows = f", {key[1]:,} rows" if key[1] else ""
        found.append(LossRow(label=f"{key[0]}{apart}{rows}", values=values, lowest=_lowest(key[2], values)))
    return found


def _lowest(digest: str | None, values: Sequence[float | None]) -> int | None:
    known = [value for value in values if value is not None]
    if not digest or len(known) < FEWEST or known.count(min(known)) > 1:
        return None
    return values.index(min(known))


@dataclass(frozen=True, kw_only=True)
class Picture:
    title: str
    svg: str
    """Empty: there is nothing to draw."""


def drawn(sides: Sequence[Facts], axis: Axis) -> list[Picture]:
    """Training losses, and losses over a set that all were scored over, if there is one; of one battle, its own."""
    titles = titles_of(sides)
    pairs = list(zip(sides, titles, strict=True))
    who = titles[0] if len(sides) == 1 else f"{len(sides)} battles"
    trained = [drawing.curve_of(side.source, of, axis) if side.source else drawing.nothing(of) for side, of in pairs]
    pictures = [
        Picture(title="Training loss", svg=drawing.svg(trained, axis, label=f"Training loss of {who} by {axis}"))
    ]
    if key := _drawn_set(sides):
        scored = [
            drawing.scores_of(side.source, of, axis, key) if side.source else drawing.nothing(of) for side, of in pairs
        ]
        rows = f", {key[1]:,} rows" if key[1] else ""
        title = f"Loss over {key[0]}{rows}"
        pictures.append(Picture(title=title, svg=drawing.svg(scored, axis, label=f"{title}, of {who} by {axis}")))
    return [picture for picture in pictures if picture.svg]


def _drawn_set(sides: Sequence[Facts]) -> tuple[str, int | None, str | None] | None:
    if len(sides) == 1:
        over = sides[0].figures.headline_loss if sides[0].figures else None
        return over.key if over else None
    return next(iter(verdict.common_sets([side.figures for side in sides])), None)
