"""What the views of several pages share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django_htmx.middleware import HtmxDetails

from arena import status as arena_status
from arena.models import Quest
from realm.world import World
from tavern.log_looks import looks_table
from watchtower import selectors as watchtower_selectors

LARGEST_ID = 2**63 - 1
BOARD_CHANGED = "realm:board"


class HtmxHttpRequest(HttpRequest):
    htmx: HtmxDetails
    wants_login: bool
    """Set where pages want a login; see tavern.account.middleware."""
    logged_in: AbstractBaseUser
    """Set where somebody is."""


@dataclass(frozen=True, kw_only=True)
class Button:
    """An order that makes sense in a state of the arena, a quest or a run."""

    value: str
    """What the button sends."""
    key: str
    """Part of the button's id in the page, by which the focus is kept."""
    label: str
    help: str
    confirm: str = ""
    """Id of the dialog that asks first."""
    tone: str = ""
    shortcut: str = ""
    asked: bool = False
    """It was just pressed, and can not be pressed again."""


def frame_context(world: World) -> dict[str, Any]:
    """What every page needs for its live parts."""
    return {
        "seq": watchtower_selectors.newest_seq(),
        "arena": arena_status.read_status(world),
        "entry_looks": looks_table(),
        "priorities": Quest.Priority.values,
    }


def told(
    request: HtmxHttpRequest, text: str, *, back: str, urgent: bool = False, status: int = 200, trigger: str = ""
) -> HttpResponse:
    """A notice on the open page, which gets the event `trigger`; without scripts, on the page at the address `back`."""
    if not request.htmx:
        (messages.error if urgent else messages.success)(request, text)
        return redirect(back)
    response = render(request, "tavern/quests/board.html#notice", {"text": text, "urgent": urgent}, status=status)
    if trigger:
        response.headers["HX-Trigger"] = trigger
    return response


def sentence(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"The file could not be kept: {error.strerror}. Nothing of it stays."
    return str(error)


def attachment(data: bytes, name: str, content_type: str) -> HttpResponse:
    """Never shown as a page, whatever it holds."""
    response = HttpResponse(data, content_type=content_type)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
