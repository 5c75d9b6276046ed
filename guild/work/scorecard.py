"""One checkpoint's trial held against the base model's and against chance, level by level and skill by skill."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from guild.evaluation.chance import Chance
from guild.work.intervals import difference, wilson
from guild.work.trials import Cell, Column, TrialResult

Verdict = Literal["better", "worse", "no clear difference"]
Levels = Mapping[tuple[str, int], Chance | None]


@dataclass(frozen=True, kw_only=True)
class Share:
    correct: int
    total: int
    accuracy: float
    low: float
    """With `high` the 95% interval of the accuracy, each 0 to 1."""
    high: float


@dataclass(frozen=True, kw_only=True)
class Line:
    skill: str
    level: int | None
    """None: all asked levels of the skill together."""
    checkpoint: Share | None
    """None where it could not be asked; `trouble` says why."""
    base: Share | None
    """None where the checkpoint is the base model, or that could not be asked."""
    chance: float | None
    """0 to 1: see guild.evaluation.chance."""
    versus_base: Verdict | None
    difference_low: float | None
    """With `difference_high` the 95% interval of how much more of the problems the checkpoint answers than the base."""
    difference_high: float | None
    versus_chance: Verdict | None
    trouble: str = ""


def lines(result: TrialResult, chances: Levels) -> list[Line]:
    """By skill its levels, then all of them together. The result's second column is the base model, if it has two."""
    own = result.columns[0] if result.columns else Column(checkpoint="")
    base = result.columns[1] if len(result.columns) > 1 else None
    skills = dict.fromkeys(skill for skill, _ in chances)
    found = []
    for skill in skills:
        levels = [level for name, level in chances if name == skill]
        pairs = [(_cell(own, skill, level), _cell(base, skill, level), chances[skill, level]) for level in levels]
        for level, (one, other, chance) in zip(levels, pairs, strict=True):
            why = one.trouble if one and one.trouble else own.trouble if one is None or not one.total else ""
            found.append(_line(skill, level, _share(one), _share(other), chance, why))
        if len(levels) > 1:
            found.append(_line(skill, None, *_together(pairs), ""))
    return found


def _cell(column: Column | None, skill: str, level: int) -> Cell | None:
    cells = column.cells if column else ()
    return next((cell for cell in cells if (cell.skill, cell.level) == (skill, level)), None)


def _share(cell: Cell | None) -> Share | None:
    return _of(cell.correct, cell.total) if cell and cell.total else None


def _of(correct: int, total: int) -> Share:
    low, high = wilson(correct, total)
    return Share(
        correct=correct, total=total, accuracy=round(correct / total, 4), low=round(low, 4), high=round(high, 4)
    )


def _together(pairs: list[tuple[Cell | None, Cell | None, Chance | None]]) -> tuple[
    Share | None, Share | None, Chance | None
]:  # fmt: skip
    """Of the levels that both were asked; chance weighs each level by its problems, as the shares do."""
    asked = [pair for pair in pairs if pair[0] and pair[0].total and (pair[1] is None or pair[1].total)]
    if not asked:
        return None, None, None
    own = _of(sum(one.correct for one, _, _ in asked if one), sum(one.total for one, _, _ in asked if one))
    bases = [other for _, other, _ in asked if other]
    base = _of(sum(cell.correct for cell in bases), sum(cell.total for cell in bases)) if bases else None
    drawn = [chance for _, _, chance in asked if chance]
    if len(drawn) < len(asked):
        return own, base, None
    share = sum(chance.accuracy * one.total for one, _, chance in asked if one and chance) / own.total
    total = sum(chance.total for chance in drawn)
    return own, base, Chance(correct=round(share * total), total=total)


def _line(
    skill: str, level: int | None, own: Share | None, base: Share | None, chance: Chance | None, trouble: str
) -> Line:
    low = high = None
    if own and base:
        low, high = difference((base.correct, base.total), (own.correct, own.total))
    return Line(
        skill=skill,
        level=level,
        checkpoint=own,
        base=base,
        chance=round(chance.accuracy, 4) if chance else None,
        versus_base=None if low is None or high is None else _verdict(low, high, 0.0),
        difference_low=None if low is None else round(low, 4),
        difference_high=None if high is None else round(high, 4),
        versus_chance=_verdict(own.low, own.high, chance.accuracy) if own and chance else None,
        trouble=trouble,
    )


def _verdict(low: float, high: float, against: float) -> Verdict:
    """What may be said without reading noise as progress."""
    if low > against:
        return "better"
    return "worse" if high < against else "no clear difference"
