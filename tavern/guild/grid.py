"""The grid of one skill: what share of each level's problems each checkpoint answered right, a page at a time.

What the hero has come from stands first, the newest checkpoint on top; the branches that were left stand below.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.core.paginator import Page, Paginator
from django.db.models import Case, Value, When

from guild.evaluation.progression import ENOUGH_ACCURACY
from guild.models import Evaluation
from guild.skills.registry import Skill
from realm.branch_rows import branches_of, on_line
from realm.checkpoints import branches
from vault.models import Checkpoint

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
    branch: str
    """Its title; empty while the hero has but one."""
    left: bool
    """The hero has not come from it."""
    lies_here: bool
    """It can be gone on from."""
    cells: list[Cell]


@dataclass(frozen=True, kw_only=True)
class Grid:
    skill: Skill
    levels: list[int]
    """From 1 to the highest that any checkpoint was asked."""
    lines: list[Line]
    page: Page[tuple[int, str, str, int]]


def read_grid(hero: str, skill: Skill, *, page: str | int | None = None) -> Grid:
    """Five queries, however many checkpoints and levels there are."""
    mine = Evaluation.objects.filter(hero=hero, skill=skill.name)
    several = bool(branches_of(hero).branches)
    left = Case(When(on_line(hero), then=0), default=1) if several else Value(0)
    asked = mine.annotate(left=left).order_by("left", "-step", "-checkpoint")
    rows = asked.values_list("step", "checkpoint", "branch", "left").distinct()
    shown = Paginator(rows, PER_PAGE).get_page(page)
    names = [name for _, name, _, _ in shown]
    found: dict[tuple[str, int], Evaluation] = {
        (row.checkpoint, row.level): row for row in mine.filter(checkpoint__in=names)
    }
    here = set(Checkpoint.objects.filter(hero=hero, name__in=names).values_list("name", flat=True))
    highest = mine.order_by("-level").values_list("level", flat=True).first() or 0
    levels = list(range(1, min(highest, skill.max_level) + 1))
    lines = [
        Line(
            checkpoint=name,
            step=step,
            branch=branches.title(branch) if several else "",
            left=bool(left),
            lies_here=name in here,
            cells=[Cell(level=level, row=found.get((name, level))) for level in levels],
        )
        for step, name, branch, left in shown
    ]
    return Grid(skill=skill, levels=levels, lines=lines, page=shown)
