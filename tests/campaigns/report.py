"""What a campaign found: figures beside what was promised."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, kw_only=True)
class Figure:
    promise: str
    what: str
    figure: str | int | float
    wanted: str = ""
    """What was promised; empty for a figure that is only told."""
    kept: bool = True
    timed: bool = False
    """Whether a busy machine may miss it: then only a campaign holds it, and no test."""


def show(figures: Sequence[Figure]) -> None:
    table = Table("promise", "what", "figure", "promised", "kept")
    for each in figures:
        table.add_row(each.promise, each.what, str(each.figure), each.wanted, _told(each))
    Console(width=140).print(table)


def show_json(figures: Sequence[Figure]) -> None:
    for each in figures:
        print(json.dumps(asdict(each), ensure_ascii=False))


def _told(figure: Figure) -> str:
    if not figure.wanted:
        return ""
    return "yes" if figure.kept else "NO"


def none_of(promise: str, what: str, found: Sequence[object], of: int) -> Figure:
    """A figure that is kept where nothing was found; the first three finds are named."""
    named = f" ({'; '.join(str(each) for each in found[:3])})" if found else ""
    return Figure(
        promise=promise, what=what, figure=f"{len(found)} of {of}{named}", wanted="0", kept=not found and of > 0
    )
