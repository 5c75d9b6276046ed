"""`/quests/<id>/rows`: what the hero will see and what it will be trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from arena.models import Quest
from arena.preview import mirror
from arena.preview.mirror import Glass, NoMirror
from arena.preview.rows import NoSuchRow
from arena.rows.model import UnreadableQuest
from realm import strict
from tavern.page_frame import frame_context
from tavern.quests import token_mirror
from tavern.quests.views import find

LARGEST_LINE = 2**31


@require_safe
def rows(request: HttpRequest, quest_id: int) -> HttpResponse:
    """A page of rows; `first` is the line it begins at, `line` a line to go to, `packed` a packed row.

    `only=refused` leaves out what the gatekeepers took.
    """
    for name in ("line", "packed"):
        number = line_number(request.GET.get(name, ""))
        if number is not None:
            return redirect(f"tavern:quest_{'row' if name == 'line' else 'packed'}", quest_id, number)
    found, path = _file(quest_id)
    first = line_number(request.GET.get("first", "")) or 1
    context: dict[str, Any] = {"quest": found, "first": first, "trouble": "", "listed": []}
    try:
        through = _glass(path)
        context |= token_mirror.rows_page(path, first, through, refused_only=request.GET.get("only") == "refused")
    except (NoMirror, UnreadableQuest, OSError) as error:
        context["trouble"] = str(error)
    return render(request, "tavern/quests/rows.html", frame_context(settings.WORLD) | context)


@require_safe
def row(request: HttpRequest, quest_id: int, line: int) -> HttpResponse:
    found, path = _file(quest_id)
    context: dict[str, Any] = {"quest": found, "line": line, "page": None, "trouble": ""}
    try:
        context["page"] = token_mirror.read_row(path, min(line, LARGEST_LINE), _glass(path))
    except NoSuchRow as error:
        raise Http404(str(error)) from error
    except (NoMirror, UnreadableQuest, OSError) as error:
        context["trouble"] = str(error)
    return render(request, "tavern/quests/row.html", frame_context(settings.WORLD) | context)


@require_safe
def packed(request: HttpRequest, quest_id: int, number: int) -> HttpResponse:
    found, path = _file(quest_id)
    context: dict[str, Any] = {"quest": found, "number": number, "page": None, "trouble": ""}
    try:
        context["page"] = token_mirror.read_packed(path, number, found, _glass(path))
    except NoSuchRow as error:
        raise Http404(str(error)) from error
    except (NoMirror, UnreadableQuest, OSError) as error:
        context["trouble"] = str(error)
    return render(request, "tavern/quests/packed.html", frame_context(settings.WORLD) | context)


def _glass(path: Path) -> Glass:
    return mirror.glass(settings.WORLD, settings.REALM, path)


def _file(quest_id: int) -> tuple[Quest, Path]:
    quest = find(quest_id)
    path = settings.WORLD.queue / quest.file
    if not quest.file or not path.is_file():
        raise Http404(f"the file of {quest.name} is gone")
    return quest, path


def line_number(text: str) -> int | None:
    return strict.whole_number(text, most=10**9 - 1) or None
