"""How every answer of the API is written and every body read; each refusal is a problem (RFC 9457) in one sentence."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import orjson
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError
from ninja.parser import Parser
from ninja.renderers import BaseRenderer

from arena.branch_orders import CannotGoOn, UnknownCheckpoint
from arena.calculator.reckoning import BadQuestion
from arena.estimate import UnknownShape
from arena.history.finding import NoSuchBattle
from arena.jobs import NoSuchJob, NotPossible
from arena.preview.mirror import NoMirror
from arena.preview.rows import NoSuchRow
from arena.profiles.quest_recipe import UnconfirmedRate
from arena.rate_orders import RateRefused
from arena.reports.step_report import NoSuchStep
from arena.roster.errors import BadHero, HeroRefused, UnknownHero
from arena.rows.model import UnreadableQuest
from arena.statistics.source import NoBattle
from guild.errors import GuildError, UnknownSkill
from realm.hosts import UnknownHost
from realm.management.as_json import plain
from realm.oracle.errors import HostTrouble
from realm.strict import BadConfig
from realm.web.problems import MEDIA_TYPE, problem
from sentinels.notices.errors import NoSuchDestination
from vault.errors import Damaged, NotFound, Refused, Unreachable, VaultError
from watchtower.armory.backups import NoSuchBackup
from watchtower.armory.catalogue import NoSuchSetting
from watchtower.armory.changing import Locked, Refusal, Unconfirmed

log = logging.getLogger(__name__)

_STATUSES: tuple[tuple[type[Exception], int], ...] = (
    (NotFound, 404), (UnknownHost, 404), (Http404, 404), (NoSuchJob, 404), (NoBattle, 404), (NoSuchBattle, 404),
    (UnknownHero, 404), (BadHero, 422), (HeroRefused, 409),
    (UnknownSkill, 404), (UnknownCheckpoint, 404), (NoSuchRow, 404), (NoSuchStep, 404),
    (NoSuchDestination, 404), (NoMirror, 409), (UnreadableQuest, 409),
    (Refused, 409), (Damaged, 409), (VaultError, 409), (NotPossible, 409),
    (NoSuchSetting, 404), (NoSuchBackup, 404), (Unconfirmed, 409), (Locked, 409), (Refusal, 422), (UnknownShape, 409),
    (BadQuestion, 422),
    (UnconfirmedRate, 409), (GuildError, 409), (CannotGoOn, 409), (RateRefused, 409),
    (Unreachable, 502), (HostTrouble, 424), (BadConfig, 503), (DatabaseError, 503), (OSError, 503), (ValueError, 422),
)  # fmt: skip
_JSON = "application/json"
_EMPTY_FORM = "multipart/form-data"
"""As some programs send a request without a body."""


class BadBody(ValueError):
    """One sentence for who sent it."""


class Renderer(BaseRenderer):
    """Dataclasses, rows and times as `--json` of the commands has them."""

    media_type = _JSON

    def render(self, request: HttpRequest, data: Any, *, response_status: int) -> bytes:
        return orjson.dumps(plain(data))


class JsonParser(Parser):
    """No foreign page can send JSON without a preflight, which the guard refuses; so nothing else is taken."""

    def parse_body(self, request: HttpRequest) -> Any:
        if request.content_type == _EMPTY_FORM and not request.POST and not request.FILES:
            return {}
        if request.content_type != _JSON:
            raise BadBody(f"The body must be {_JSON}, not {request.content_type or 'of no type'}.")
        try:
            return orjson.loads(request.body)  # which takes no lone surrogates: no database could
        except ValueError as error:
            raise BadBody(f"The request is no JSON: {error}") from error


def handle_errors(api: NinjaAPI) -> None:
    def refused(status: int) -> Any:
        return lambda request, error: refusal(request, str(error), status=status)

    def of_http(request: HttpRequest, error: Any) -> HttpResponse:
        """ninja says of a body that its parser refuses no more than that."""
        if isinstance(error.__cause__, BadBody):
            return refusal(request, str(error.__cause__), status=422)
        return refusal(request, str(error), status=error.status_code)

    def invalid(request: HttpRequest, error: Any) -> HttpResponse:
        return refusal(request, first_error(error.errors), status=422)

    def broken(request: HttpRequest, error: Any) -> HttpResponse:
        log.error("%s %s", request.method, request.path, exc_info=error)
        return refusal(request, f"{type(error).__name__}; the log has more", status=500)

    for kind, status in _STATUSES:
        api.add_exception_handler(kind, refused(status))
    api.add_exception_handler(HttpError, of_http)
    api.add_exception_handler(ValidationError, invalid)
    api.add_exception_handler(Exception, broken)


def refusal(request: HttpRequest, sentence: str, *, status: int) -> HttpResponse:
    told = problem(sentence, status=status, instance=request.path)
    return HttpResponse(orjson.dumps(told), status=status, content_type=MEDIA_TYPE)


def first_error(errors: list[dict[str, Any]]) -> str:
    """The first error of a request, in words: where, and what is wrong."""
    error: Mapping[str, Any] = errors[0]
    path = [str(part) for part in error["loc"][1:] if part != "body"]
    place = f"{'.'.join(path)}: " if path else ""
    if error["type"] == "missing":
        return f"{path[-1] if path else 'a body'} is missing"
    said = error.get("ctx", {}).get("error") if error["type"] == "value_error" else None
    return f"{place}{said or error['msg']}"
