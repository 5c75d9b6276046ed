"""`/api/quests/{id}/…`: a quest's rows as the hero sees them, what it would take, and the rows that were refused."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from django.conf import settings
from django.http import FileResponse, Http404, HttpRequest
from django.http.response import HttpResponseBase
from ninja import Router, Schema
from pydantic import Field

from arena.gate import report as reports
from arena.gate.findings import findings_beside
from arena.jobs import NotPossible
from arena.models import Quest
from arena.preview import mirror, rows
from arena.preview.quest_estimate import outlook_of
from arena.preview.rows import ListedRow, PackedRow, RowPreview
from arena.profiles import quest_recipe
from arena.queue import files as queue
from realm import config
from vault.api.pages import FARTHEST, USUAL
from watchtower.api.quests import find

router = Router()
MOST_ROWS = 200
Line = Annotated[int, Field(ge=1, le=FARTHEST, description="Counted from 1.")]


class QuestRows(Schema):
    count: int
    """Of this page."""
    next: int | None
    """Line at which the next page begins."""
    refused: int | None
    """Of the whole quest; null before the gatekeepers looked."""
    rows: list[ListedRow]


class QuestRow(Schema):
    row: RowPreview
    trouble: str
    """Why it has no tokens; empty where it has."""


class QuestExchange(Schema):
    bytes_a_step: int
    """That each process sends, and as many that it receives."""
    gain: float | None
    """Times as fast as one process, as measured; None where no battle of as many was fought here."""
    sentence: str
    """Whether it is worth it."""


class QuestEstimate(Schema):
    rows: int
    taken: int
    tokens: int | None
    """None, as the steps are, while the hero's tokenizer is not on this machine."""
    steps: int | None
    seconds: float | None
    """None before any battle of this size was fought here."""
    based_on: str | None
    """The battle whose speed was taken."""
    device: str
    machine_bytes: int
    peak_bytes: int
    memory: dict[str, int | None]
    """Bytes by component."""
    recipe_reason: str
    exchange: QuestExchange | None
    """None for one process alone."""


@router.get("/{quest_id}/rows", response=QuestRows)
def listed(
    request: HttpRequest,
    quest_id: str,
    first: Line = 1,
    limit: Annotated[int, Field(ge=1, le=MOST_ROWS)] = USUAL,
    refused: bool = False,
) -> Any:
    """Rows in short from line `first` on; with `refused` those alone that the gatekeepers refused."""
    _, path = _file(quest_id)
    findings, specs = findings_beside(path), _glass(path).specs
    many = findings.refused_count
    list_them = rows.list_refused if refused and many is not None else rows.list_rows
    found = list_them(path, first, limit + 1, specs=specs, findings=findings)
    following = found[limit].line if len(found) > limit else None
    return {"count": len(found[:limit]), "next": following, "refused": many, "rows": found[:limit]}


@router.get("/{quest_id}/rows/{line}", response=QuestRow)
def one(request: HttpRequest, quest_id: str, line: Line) -> Any:
    """One row as the hero sees it, token by token, and which of its tokens are trained on."""
    _, path = _file(quest_id)
    row, trouble = mirror.read_row(path, line, _glass(path))
    return {"row": row, "trouble": trouble}


@router.get("/{quest_id}/packed/{number}", response=PackedRow)
def packed(request: HttpRequest, quest_id: str, number: Line) -> Any:
    """One packed row, as training lays its examples beside each other."""
    found, path = _file(quest_id)
    return mirror.read_packed(path, number, found.sha256, _glass(path))


@router.get("/{quest_id}/estimate", response=QuestEstimate)
def estimate(request: HttpRequest, quest_id: str) -> Any:
    """Steps, memory by component, and time at the speed of a battle like it, from what the gatekeepers counted."""
    found, path = _file(quest_id)
    report = reports.read_report(path)
    if report is None:
        raise NotPossible(f"the gatekeepers have not looked at {found.name} yet")
    world, settings_now = settings.WORLD, config.load(settings.WORLD)
    seen = outlook_of(world, settings_now, quest_recipe.resolve_for(world, settings_now, path), report)
    based_on = seen.based_on.battle if seen.based_on else None
    return {
        "rows": report.rows, "taken": report.taken, "tokens": report.tokens, "steps": report.steps,
        "seconds": seen.seconds, "based_on": based_on, "device": seen.machine.device,
        "machine_bytes": seen.machine.memory_bytes, "peak_bytes": seen.memory.peak, "memory": asdict(seen.memory),
        "recipe_reason": seen.resolved.reason, "exchange": seen.exchange,
    }  # fmt: skip


@router.get("/{quest_id}/quarantine", openapi_extra={"responses": {200: {"content": {"application/x-ndjson": {}}}}})
def quarantine(request: HttpRequest, quest_id: str) -> HttpResponseBase:
    """The refused rows as they were sent, to be mended and added as a quest of their own."""
    found, path = _file(quest_id)
    beside = reports.companion(path, reports.QUARANTINE)
    if not beside.is_file():
        raise Http404(f"no row of {found.name} was set aside")
    name = f"{found.name}-refused.jsonl"
    return FileResponse(beside.open("rb"), as_attachment=True, filename=name, content_type="application/x-ndjson")


def _glass(path: Path) -> mirror.Glass:
    return mirror.glass(settings.WORLD, config.load(settings.WORLD), path)


def _file(quest_id: str) -> tuple[Quest, Path]:
    found = find(quest_id)
    path = queue.path_of(settings.WORLD, found)
    if not found.file or not path.is_file():
        raise Http404(f"the file of {found.name} is gone")
    return found, path
