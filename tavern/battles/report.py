"""A report to hand on: one HTML file with its curves and style in it, without a script and without anything from
elsewhere."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any

from django.http import HttpResponse
from django.template.loader import render_to_string
from django.utils.http import content_disposition_header
from django.utils.safestring import mark_safe

from arena.history import recipes
from arena.models import Battle
from realm.version import version
from realm.world import CHECKOUT, World
from watchtower.battles import comparing, facts, weights
from watchtower.battles.comparing import Comparison
from watchtower.battles.drawing import Axis

POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
"""Of the file where a browser is given it: its own style may be read, and nothing else may be done."""
_STYLE = CHECKOUT / "templates" / "tavern" / "battles" / "report" / "report.css"


def of_battle(world: World, battle: Battle) -> str:
    """The file's text."""
    side = facts.read(world, battle)
    return _rendered(
        "battle.html",
        title=side.title,
        side=side,
        battle=battle,
        pictures=comparing.drawn([side], Axis.STEPS),
        recipe=recipes.table(world, [battle]),
        changed={change.key for change in recipes.from_defaults(world, battle) or ()},
        moved=weights.moved(world, battle, side.source) if side.source else None,
    )


def of_comparison(comparison: Comparison) -> str:
    """The same of several battles."""
    return _rendered(
        "compare.html",
        title=" · ".join(comparison.titles),
        comparison=comparison,
        columns=list(zip(comparison.titles, comparison.sides, comparison.moved, strict=True)),
        pictures=comparing.drawn(comparison.sides, Axis.STEPS),
    )


def _rendered(name: str, **context: Any) -> str:
    about = {"style": mark_safe(_style()), "made_at": datetime.now(UTC), "version": version()}
    return render_to_string(f"tavern/battles/report/{name}", context | about)


@cache
def _style() -> str:
    return _STYLE.read_text()


def answer(text: str, name: str) -> HttpResponse:
    """As a file to be saved; a browser that shows it instead lets nothing in it act."""
    response = HttpResponse(text, content_type="text/html; charset=utf-8")
    response.headers["Content-Disposition"] = content_disposition_header(True, name) or "attachment"
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
