"""Server-sent events: what battles, forging, trials and machines tell as it happens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any, TypeVar

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from ninja import Router
from pydantic import Field

from guild.models import Run
from realm.config import LogLevel
from realm.logs.sources import NoSuchLog
from realm.web import streaming
from watchtower.streams import logs, machine, runs, sse, training
from watchtower.streams.feed import watch

router = Router()
_NOTHING_MORE = 204
_OF_A_RUN = "`progress`, `message`, `end` with the results"
_View = TypeVar("_View", bound=Callable[..., HttpResponseBase])
_EVENT = {
    "type": "object",
    "properties": {"event": {"type": "string"}, "id": {"type": "string"}, "data": {"type": "string"}},
    "description": "One event; its data is a JSON object, in one line.",
}
Since = Annotated[str | None, Field(description="The id of the last event that you have, as Last-Event-ID.")]


def _stream_at(path: str, events: str) -> Callable[[_View], _View]:
    """A view at `path`, for GET and, undocumented, HEAD; `events` are named in the documents."""
    described = (
        f"Server-sent events: {events}. Each has an `id`, which says what you have; `Last-Event-ID` or `since` goes on "
        "behind it. `gap` names what history no longer holds, `rewound` from where on it is done again."
    )
    content = {sse.HEADERS["Content-Type"]: {"schema": _EVENT}}
    over = {"description": "You have the end: there is nothing more, and no reason to come back."}
    documents = {"responses": {200: {"description": described, "content": content}, _NOTHING_MORE: over}}

    def registered(view: _View) -> _View:
        router.api_operation(["HEAD"], path, include_in_schema=False)(view)
        router.get(path, openapi_extra=documents)(view)
        return view

    return registered


@_stream_at(
    "/training/stream/{run}", "`progress` with each step once, `validation`, `checkpoint`, others by kind, `end`"
)
def training_stream(request: HttpRequest, run: str, since: Since = None) -> HttpResponseBase:
    """Steps and events of a battle, or of a job's, as they come: all, or what came after a place. It ends with it."""
    return _stream(request, training.of_run(run), training.Place, since)


@_stream_at("/simulation/stream/{run}", _OF_A_RUN)
def simulation_stream(request: HttpRequest, run: int, since: Since = None) -> HttpResponseBase:
    """How far a quest's forging is."""
    return _stream(request, runs.GuildRun(Run.Kind.FORGE, run), runs.Place, since)


@_stream_at("/benchmark/stream/{run}", _OF_A_RUN)
def benchmark_stream(request: HttpRequest, run: int, since: Since = None) -> HttpResponseBase:
    """How far a trial is."""
    return _stream(request, runs.GuildRun(Run.Kind.TRIAL, run), runs.Place, since)


@_stream_at("/system/metrics/stream", "`metrics` every two seconds, `history` with what was sampled meanwhile")
def metrics_stream(request: HttpRequest, since: Since = None) -> HttpResponseBase:
    """What `/api/system/metrics` tells, as it changes: processors, memory, disk, temperature, GPUs, of all machines."""
    return _stream(request, machine.Machines(settings.WORLD, settings.REALM), machine.Place, since)


@_stream_at("/logs/stream/{service}", "`line`")
def log_stream(
    request: HttpRequest,
    service: str,
    since: Since = None,
    level: LogLevel | None = None,
    search: Annotated[str, Field(max_length=200)] = "",
    limit: Annotated[int, Field(ge=0, le=1000, description="Lines that there are already; after `since` all.")] = 0,
) -> HttpResponseBase:
    """What a service logs, as it logs it."""
    try:
        source = logs.Log(settings.WORLD, service, level=level or "", text=search)
    except NoSuchLog as error:
        raise Http404(str(error)) from error
    return _stream(request, source, logs.Place, since, lambda: source.before(limit))


def _stream(
    request: HttpRequest, source: Any, places: Any, since: str | None, begin: Callable[[], Any] | None = None
) -> HttpResponseBase:
    """A browser comes back whenever a stream ends; only 204 makes it stay away."""
    asked = sse.asked_place(request, since)
    place = (begin or places)() if asked is None else places.read(asked)
    if place.is_end:
        if source.is_over:
            return HttpResponse(status=_NOTHING_MORE)
        place = replace(place, is_end=False)  # a battle that was stopped goes on
    return streaming.response(request, watch(source, place), headers=sse.HEADERS)
