"""A look into a quest before it is fought: what it will take, and its rows as the hero will see them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from django.conf import settings
from django.http import Http404, HttpRequest
from ninja import Router, Schema
from pydantic import Field

from arena.estimate import UnknownShape
from arena.gate import report as reports
from arena.gate.findings import findings_beside
from arena.jobs import NotPossible
from arena.models import Quest
from arena.preview import rows
from arena.preview.quest_estimate import outlook_of
from arena.preview.rows import ListedRow
from arena.profiles import quest_recipe
from arena.queue import files as queue
from arena.rows import formats
from arena.rows.model import UnreadableQuest
from realm import config
from realm.management.as_json import plain
from realm.strict import BadConfig
from watchtower.api.quests import find

router = Router()
LARGEST_LINE = 2**31


class ListedRows(Schema):
    items: list[ListedRow]
    count: int
    first: int
    limit: int
    refused: int | None
    """Rows that the gatekeepers set aside; null before they have looked."""
    next: int | None
    """`first` of the page behind this one."""


@router.get("/{quest_id}/estimate", response=dict[str, Any])
def estimate(request: HttpRequest, quest_id: str) -> Any:
    """Time and memory that it will take, with what this rests on."""
    quest = _with_file(quest_id)
    path = queue.path_of(settings.WORLD, quest)
    report = reports.read_report(path)
    if report is None:
        raise NotPossible(f"the gatekeepers have not looked at {quest.name} yet")
    settings_now = config.load(settings.WORLD)
    try:
        resolved = quest_recipe.resolve_for(settings.WORLD, settings_now, path)
        return plain(outlook_of(settings.WORLD, settings_now, resolved, report))
    except (UnknownShape, BadConfig) as error:
        raise NotPossible(str(error)) from error


@router.get("/{quest_id}/rows", response=ListedRows)
def listed_rows(
    request: HttpRequest,
    quest_id: str,
    first: Annotated[int, Field(ge=1, le=LARGEST_LINE, description="Line to begin at.")] = 1,
    limit: Annotated[int, Field(ge=1, le=200)] = 25,
    only: Literal["all", "refused"] = "all",
) -> Any:
    """Rows in one line each, and why the gatekeepers refused one; the refused alone with `only`."""
    path = queue.path_of(settings.WORLD, _with_file(quest_id))
    specs, findings = formats.registry(formats.load_declared(settings.WORLD)), findings_beside(path)
    is_known = findings.refused_count is not None
    list_them = rows.list_refused if only == "refused" and is_known else rows.list_rows
    try:
        found = list_them(path, first, limit + 1, specs=specs, findings=findings)
    except UnreadableQuest as error:
        raise NotPossible(str(error)) from error
    return {
        "items": found[:limit],
        "count": len(found[:limit]),
        "first": first,
        "limit": limit,
        "refused": findings.refused_count,
        "next": found[limit].line if len(found) > limit else None,
    }


def _with_file(quest_id: str) -> Quest:
    """Raises Http404."""
    found = find(quest_id)
    if not found.file or not queue.path_of(settings.WORLD, found).exists():
        raise Http404(f"the file of {found.name} is gone")
    return found
