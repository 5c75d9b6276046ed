"""`/api/training/runs/{id}/statistics`, `/curve`, `/curves.{json,csv,png}`: what pages and `manage.py stats` show."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Annotated, Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.http import content_disposition_header
from ninja import Router
from pydantic import Field

from arena import jobs
from arena.jobs import NotPossible
from arena.models import Battle
from arena.selectors import latest_battle
from arena.statistics import curves, picture
from arena.statistics.battle import BattleStatistics, of_source
from arena.statistics.source import NoBattle, Source
from arena.steps import MOST_CURVE_POINTS
from watchtower.api.training_answers import BattleCurve
from watchtower.battle_curve import curve_of

router = Router()
Points = Annotated[
    int | None,
    Field(ge=curves.LEAST_POINTS, le=curves.MOST_POINTS, description="About so many steps instead of all."),
]
CurvePoints = Annotated[int, Field(ge=4, le=MOST_CURVE_POINTS, description="Steps at most.")]
_CURVES = {
    "type": "object",
    "properties": {
        "battle": {"type": "string"},
        "hero": {"type": ["string", "null"]},
        "quest": {"type": ["string", "null"]},
        "steps": {"type": "integer"},
        "columns": {"type": "array", "items": {"type": "string"}},
        "rows": {"type": "array", "items": {"type": "array", "items": {"type": ["number", "null"]}}},
        "validation": {"type": "array", "items": {"type": "object"}},
    },
    "required": ["battle", "steps", "columns", "rows", "validation"],
}
NEWEST = "newest"
_END = b""
"""No piece is empty."""


def _documented(kind: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"responses": {200: {"description": "The curves.", "content": {kind: {"schema": schema}}}}}


@router.get("/runs/{run_id}/statistics", response=BattleStatistics)
async def statistics(request: HttpRequest, run_id: str) -> Any:
    """Convergence, speed, memory, bottleneck, anomalies, errors, by the id of a run's job or battle, or `newest`."""
    source = await sync_to_async(_source)(run_id)
    return await sync_to_async(of_source, thread_sensitive=False)(source)


@router.get("/runs/{run_id}/curves.json", openapi_extra=_documented("application/json", _CURVES))
async def curves_json(request: HttpRequest, run_id: str, points: Points = None) -> HttpResponseBase:
    """Every step as a row of `columns`, and the losses of each validation set."""
    source = await sync_to_async(_source)(run_id)
    return _streamed(source, curves.as_json(source, points=points), "json", "application/json")


@router.get("/runs/{run_id}/curves.csv", openapi_extra=_documented("text/csv", {"type": "string"}))
async def curves_csv(request: HttpRequest, run_id: str, points: Points = None) -> HttpResponseBase:
    """A line a step; each validation set is a column."""
    source = await sync_to_async(_source)(run_id)
    return _streamed(source, curves.as_csv(source, points=points), "csv", "text/csv; charset=utf-8")


@router.get("/runs/{run_id}/curves.png", openapi_extra=_documented("image/png", {"type": "string", "format": "binary"}))
async def curves_png(request: HttpRequest, run_id: str) -> HttpResponse:
    """Losses, learning rate and gradient norm as a picture."""
    source = await sync_to_async(_source)(run_id)
    drawn = await sync_to_async(picture.as_png, thread_sensitive=False)(source)
    return HttpResponse(drawn, content_type="image/png", headers=_headers(source, "png", downloads=False))


@router.get("/runs/{run_id}/curve", response=BattleCurve)
def curve(request: HttpRequest, run_id: str, points: CurvePoints = MOST_CURVE_POINTS) -> Any:
    """What a page draws of a run: a few columns thinned for drawing, its validations, answers and moments."""
    battle = Battle.objects.select_related("quest").filter(battle_id=_source(run_id).battle).first()
    if battle is None:
        raise NoBattle(f"the database knows no battle {run_id}")
    return curve_of(settings.WORLD, battle, points=points)


def _source(run_id: str) -> Source:
    """Raises NoSuchJob, NotPossible for one that was not fought yet, or NoBattle where its files have made room."""
    try:
        return Source.of(settings.WORLD, _newest() if run_id == NEWEST else run_id)
    except NoBattle:
        job = jobs.get(settings.WORLD, run_id)
    if job.battle is None:
        raise NotPossible(f"{job.name} is {job.state}: there is nothing to measure before it is fought")
    return Source.of(settings.WORLD, job.battle)


def _newest() -> str:
    newest = latest_battle()
    return newest.battle_id if newest else NEWEST


def _streamed(source: Source, pieces: Iterable[bytes], ending: str, kind: str) -> StreamingHttpResponse:
    return StreamingHttpResponse(
        _elsewhere(iter(pieces)), content_type=kind, headers=_headers(source, ending, downloads=True)
    )


async def _elsewhere(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Each is made on a thread of its own, while the server answers others."""

    def following() -> bytes:
        return next(pieces, _END)

    while piece := await sync_to_async(following, thread_sensitive=False)():
        yield piece


def _headers(source: Source, ending: str, *, downloads: bool) -> dict[str, str]:
    named = content_disposition_header(downloads, f"{source.battle}.{ending}")
    return {"Content-Disposition": named or "inline", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
