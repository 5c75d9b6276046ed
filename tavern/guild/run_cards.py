"""Runs of the guild as the pages show them: forging, trials, sparring."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.paginator import Page, Paginator
from django.utils import timezone

from guild.models import Run
from guild.work import runs
from tavern.page_frame import Button

PER_PAGE = 12
ICONS = {Run.Kind.FORGE: "scroll-unfurled", Run.Kind.TRIAL: "trophy-cup", Run.Kind.SPARRING: "crossed-swords"}
TONES = {
    Run.State.WAITING: "gold",
    Run.State.RUNNING: "sky",
    Run.State.COMPLETED: "moss",
    Run.State.STOPPED: "plain",
    Run.State.FAILED: "blood",
}


@dataclass(frozen=True, kw_only=True)
class RunCard:
    run: Run
    icon: str
    tone: str
    buttons: list[Button]
    seconds: float | None
    """That it took, or has taken so far; None before it began."""

    @property
    def progress(self) -> float | None:
        """1 only when it is completed."""
        run = self.run
        if run.state == Run.State.COMPLETED:
            return 1.0
        return min(run.progress_done / run.progress_total, 0.99) if run.progress_total else None

    @property
    def since(self) -> datetime:
        return self.run.ended_at or self.run.started_at or self.run.created_at

    @property
    def since_said(self) -> str:
        return "ended" if self.run.ended_at else "began" if self.run.started_at else "asked"

    @property
    def stopping(self) -> bool:
        return self.run.stop_asked and not self.run.is_over


def card_of(run: Run) -> RunCard:
    end = run.ended_at or timezone.now()
    return RunCard(
        run=run,
        icon=ICONS[Run.Kind(run.kind)],
        tone=TONES[Run.State(run.state)],
        buttons=list(_buttons(run)),
        seconds=(end - run.started_at).total_seconds() if run.started_at else None,
    )


def read_history(*, kind: str = "", skill: str = "", page: str | int | None = None) -> Page[Run]:
    """The newest first; of one kind, or of one skill, or all."""
    found = runs.history(Run.Kind(kind) if kind else None)
    if skill:
        found = found.filter(parameters__skill=skill) | found.filter(parameters__levels__has_key=skill)
    return Paginator(found, PER_PAGE).get_page(page)


def runs_context(*, kind: str, page: str | None, skill: str = "") -> dict[str, Any]:
    """What the list of runs needs."""
    kind = kind if kind in Run.Kind.values else ""
    found = read_history(kind=kind, skill=skill, page=page)
    cards = cards_of(found)
    return {
        "runs": cards,
        "runs_page": found,
        "kind": kind,
        "kinds": Run.Kind.choices,
        "under_way": any(not card.run.is_over for card in cards),
    }


def cards_of(found: Iterable[Run]) -> list[RunCard]:
    return [card_of(run) for run in found]


def _buttons(run: Run) -> Iterable[Button]:
    def button(verb: str, label: str, help: str, tone: str = "", confirm: str = "") -> Button:
        return Button(
            value=f"{verb} {run.pk}", key=f"{verb}-{run.pk}", label=label, help=help, tone=tone, confirm=confirm
        )

    if not run.is_over:
        if not run.stop_asked:
            yield button("stop", "Stop", "It ends at its next look; what it has so far is kept")
        return
    yield button("again", "Again", "The same once more")
    yield button("delete", "Delete", "Forget this run; what it made stays", "blood", "ask-delete")
