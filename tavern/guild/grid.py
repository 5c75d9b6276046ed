"""The grid of one skill: what share of each level's problems each checkpoint answered right, a page at a time."""

from __future__ import annotations

from dataclasses import dataclass

from django.core.paginator import Page, Paginator

from guild.evaluation.progression import ENOUGH_ACCURACY
from guild.models import Evaluation
from guild.skills.registry import Skill

PER_PAGE = 12


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What is known of a checkpoint at a level; `row` is None where it was not asked."""

    level: int
    row: Evaluation | None

    @property
    def tone(self) -> str:
        if self.row is None:
            return "none"
        return "enough" if self.row.accuracy >= ENOUGH_ACCURACY else "some" if self.row.correct else "nothing"

    @property
    def mark(self) -> str:
        """Says in text what the colour says."""
        return {"enough": "✓", "nothing": "✗"}.get(self.tone, "")


@dataclass(frozen=True, kw_only=True)
class Line:
    checkpoint: str
    step: int
    cells: list[Cell]


@dataclass(frozen=True, kw_only=True)
class Grid:
    skill: Skill
    levels: list[int]
    """From 1 to the highest that any checkpoint was asked."""
    lines: list[Line]
    """The newest checkpoint first."""
    page: Page[tuple[int, str]]


def read_grid(hero: str, skill: Skill, *, page: str | int | None = None) -> Grid:
    """Four queries, however many checkpoints and levels there are."""
    mine = Evaluation.objects.filter(hero=hero, skill=skill.name)
    asked = mine.order_by("-step", "-checkpoint").values_list("step", "checkpoint").distinct()
    shown = Paginator(asked, PER_PAGE).get_page(page)
    found: dict[tuple[str, int], Evaluation] = {
        (row.checkpoint, row.level): row for row in mine.filter(checkpoint__in=[name for _, name in shown])
    }
    highest = mine.order_by("-level").values_list("level", flat=True).first() or 0
    levels = list(range(1, min(highest, skill.max_level) + 1))
    lines = [
        Line(
            checkpoint=name,
            step=step,
            cells=[Cell(level=level, row=found.get((name, level))) for level in levels],
        )
        for step, name in shown
    ]
    return Grid(skill=skill, levels=levels, lines=lines, page=shown)
