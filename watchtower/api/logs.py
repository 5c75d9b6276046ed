"""`/api/logs`: which services logged, what, and how much they log."""

from __future__ import annotations

from datetime import UTC
from typing import Annotated, Any

from django.conf import settings
from django.http import Http404, HttpRequest
from ninja import Router, Schema
from pydantic import Field

from realm.config import LogLevel
from realm.logs import levels, reading, shown
from realm.logs.line import LogLine
from realm.logs.shown import ServiceLog
from realm.logs.sources import NoSuchLog
from realm.moments import read_moment
from realm.web.bodies import Body

router = Router()
Text = Annotated[str, Field(max_length=200)]


class Level(Body):
    service: Annotated[str, Field(max_length=80, description="such as arena, trainer, tavern")]
    level: Annotated[LogLevel | None, Field(description="null: as the setting log_level says")] = None


class ServiceLogs(Schema):
    items: list[ServiceLog]
    total: int


class LevelSet(Schema):
    success: bool
    service: str
    level: str


class LogPage(Schema):
    service: str
    items: list[LogLine]
    """The oldest first."""
    count: int
    limit: int
    older: str
    """`before` of the page before this one; empty where there is none."""


@router.get("", response=ServiceLogs)
def services(request: HttpRequest) -> Any:
    """Each service that logged: its level, its bytes, its last line."""
    found = shown.services(settings.WORLD, default=settings.REALM.log_level)
    return {"items": found, "total": len(found)}


@router.put("/level", response=LevelSet)
def set_level(request: HttpRequest, asked: Level) -> Any:
    """From what on a service logs, within two seconds and while it runs."""
    levels.set_level(settings.WORLD, asked.service, asked.level or "")
    return {"success": True, "service": asked.service, "level": asked.level or settings.REALM.log_level}


@router.get("/{service}", response=LogPage)
def lines(
    request: HttpRequest,
    service: str,
    level: LogLevel | None = None,
    search: Text = "",
    since: Annotated[str, Field(max_length=40, description="ISO 8601 with an offset")] = "",
    before: Annotated[str, Field(max_length=50, description="`older` of the page behind the wanted one")] = "",
    limit: Annotated[int, Field(ge=1, le=1000)] = 100,
    console: Annotated[bool, Field(description="What its console said, in place of its JSON lines.")] = False,
) -> Any:
    """The newest lines that match, the oldest of them first; `older` asks for those before them."""
    try:
        page = reading.tail(
            settings.WORLD,
            service,
            level=level or "",
            text=search,
            since=read_moment(since).astimezone(UTC).isoformat(timespec="milliseconds") if since else "",
            before=before,
            limit=limit,
            console=console,
        )
    except NoSuchLog as error:
        raise Http404(str(error)) from error
    return {"service": service, "items": page.lines, "count": len(page.lines), "limit": limit, "older": page.older}
