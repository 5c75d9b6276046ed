"""`/api/notices`: destinations of notices, as page and command set them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from ninja import Router, Schema

from realm import config
from realm.strict import BadConfig
from sentinels.notices import destinations
from sentinels.notices.destinations import Overview
from sentinels.notices.events import EVENTS, Event
from sentinels.notices.outbox import Outcome
from vault.api.asking import Liberal

router = Router()


class NewDestination(Liberal):
    address: str
    """As apprise reads it; it is kept, and never shown."""
    rules: dict[str, Any] = {}


class RuleChanges(Liberal):
    changes: dict[str, Any]


class NoticesSaved(Schema):
    success: bool
    message: str


class NoticeLog(Schema):
    log: list[Outcome]


class TestAnswer(Schema):
    success: bool
    status: int | None
    """Of HTTP."""
    message: str
    """The server's words, without any part of the address."""


@router.get("", response=Overview)
def overview(request: HttpRequest) -> Any:
    """Every destination, its address masked, with what waits and what was sent last."""
    return destinations.overview(settings.WORLD, config.load(settings.WORLD))


@router.get("/events", response=dict[str, Event])
def events(request: HttpRequest) -> Any:
    """What can be told."""
    return EVENTS


@router.get("/log", response=NoticeLog)
def log(request: HttpRequest) -> Any:
    """What was sent and what was not, the newest first."""
    return {"log": destinations.history(settings.WORLD)}


@router.post("/{name}", response=NoticesSaved)
def add(request: HttpRequest, name: str, body: NewDestination) -> Any:
    """A new destination, or a new address of a known one."""
    _changed(lambda: destinations.add(settings.WORLD, name, body.address, body.rules))
    return {"success": True, "message": f"{name} is added."}


@router.post("/{name}/rules", response=NoticesSaved)
def set_rules(request: HttpRequest, name: str, body: RuleChanges) -> Any:
    """Its settings: enabled, events, digest, digest_at, quiet, urgent_breaks_quiet."""
    _changed(lambda: destinations.save(settings.WORLD, {name: body.changes}))
    return {"success": True, "message": f"{name}: saved."}


@router.delete("/{name}", response=NoticesSaved)
def remove(request: HttpRequest, name: str) -> Any:
    """Forget it and its address."""
    _changed(lambda: destinations.remove(settings.WORLD, name))
    return {"success": True, "message": f"{name} is removed."}


@router.post("/{name}/test", response=TestAnswer)
def send_test(request: HttpRequest, name: str) -> Any:
    """Send one now; answers within ten seconds with what the server said."""
    answer = destinations.send_test(settings.WORLD, name)
    return {"success": answer.ok, "status": answer.status, "message": answer.words}


def _changed(act: Callable[[], None]) -> None:
    """Raises ValueError for what cannot be; settings that could not be read before are told as such."""
    config.load(settings.WORLD)
    try:
        act()
    except BadConfig as error:
        raise ValueError(str(error)) from error
