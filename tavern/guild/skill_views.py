"""`/guild/SKILL`: what one skill asks, how the hero's answers went, and the runs of it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from arena.reports.sparrings import sparrings
from guild.models import Evaluation
from guild.skills import samples as skill_samples
from realm import strict
from realm.branch_rows import branches_of
from realm.checkpoints import branches
from tavern.guild import run_cards, skills
from tavern.guild.grid import read_grid
from tavern.guild.views import find_skill, works
from tavern.page_frame import frame_context

MOST_POINTS = 2000
MOST_SPARRINGS = 8
MOST_LEVEL = 99_999


@require_safe
def skill(request: HttpRequest, name: str) -> HttpResponse:
    """With `?level=` the problems are in the page; else the page's script asks for them."""
    found, hero = find_skill(name), settings.REALM.hero
    context = frame_context(settings.WORLD) | {
        "skill": found,
        "hero": hero,
        "card": skills.read_card(settings.WORLD, hero, found),
        "levels": range(1, found.max_level + 1),
        "samples": skill_samples.read(found, _level(request)) if "level" in request.GET else None,
        "grid": read_grid(hero, found, page=request.GET.get("page")),
        "grid_skills": [],
        "curve": curve(hero, name),
        "works": works({}, skill=name),
        "sparrings": sparrings(settings.WORLD, hero=hero, skill=name, limit=MOST_SPARRINGS),
    }
    context |= run_cards.runs_context(kind="", page=request.GET.get("runs"), skill=name)
    return render(request, "tavern/guild/skill.html", context)


@require_safe
def samples(request: HttpRequest, name: str) -> HttpResponse:
    found = find_skill(name)
    context = {"samples": skill_samples.read(found, _level(request)), "skill": found}
    return render(request, "tavern/guild/skill.html#samples", context)


def _level(request: HttpRequest) -> int:
    level = strict.whole_number(request.GET.get("level", ""), most=MOST_LEVEL)
    return 1 if level is None else level


def curve(hero: str, skill: str) -> dict[str, list[Any]]:
    """The newest evaluations, the oldest step first: steps, levels, accuracies and branches of the same length.

    The branch is empty for what the hero has come from; what was left is drawn as lines of its own.
    """
    known = branches_of(hero)
    line = known.line()
    newest = Evaluation.objects.filter(hero=hero, skill=skill).order_by("-step", "-id")[:MOST_POINTS]
    rows = list(reversed(newest))
    return {
        "step": [row.step for row in rows],
        "level": [row.level for row in rows],
        "accuracy": [row.accuracy for row in rows],
        "branch": [
            "" if line.holds(row.branch, row.step, row.checkpoint) else branches.title(row.branch) for row in rows
        ],
    }
