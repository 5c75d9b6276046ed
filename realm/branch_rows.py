"""Which rows of the database, each with a step and a branch, belong to what a hero has come from."""

from __future__ import annotations

from django.conf import settings
from django.db.models import Q

from realm.checkpoints import branches
from realm.checkpoints.branches import Branches, Line


def branches_of(hero: str) -> Branches:
    return branches.read(settings.WORLD.heroes / hero)


def line_of(hero: str, branch: str | None = None) -> Line:
    """Of the hero's branch; None: of its active one."""
    return branches_of(hero).line(branch)


def on_line(hero: str, branch: str | None = None, *, name: str = "checkpoint") -> Q:
    """Rows on the line of the hero's branch, or of its active one; `name` is the field with the checkpoint's name."""
    chosen = Q()
    found = branches_of(hero)
    if not found.branches:
        return chosen
    for segment in found.line(branch).segments:
        part = Q(branch=segment.branch)
        if segment.until:
            step, last = segment.until
            part &= Q(step__lt=step) | Q(step=step, **{f"{name}__lte": last})
        chosen |= part
    return chosen
