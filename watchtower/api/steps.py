"""`/api/training/runs/{id}/steps` and `/steps/{step}`: what each step measured, and the rows that it knew least."""

from __future__ import annotations

from typing import Annotated, Any

from django.conf import settings
from django.http import HttpRequest
from ninja import Query, Router
from pydantic import Field

from arena import jobs
from arena.jobs import NotPossible
from arena.models import Battle
from arena.reports.step_report import StepReport, step_report
from arena.selectors import latest_battle
from arena.statistics import step_slice
from arena.statistics.step_slice import MOST_STEPS, StepSlice
from watchtower.api.statistics import NEWEST

router = Router()
FARTHEST = 2**62
Step = Annotated[int, Field(ge=0, le=FARTHEST, description="Of the hero's life.")]
From = Annotated[int, Query(ge=0, le=FARTHEST, alias="from", description="The hero's first step wanted.")]
To = Annotated[int | None, Query(ge=0, le=FARTHEST, alias="to", description="The last one; all that follow without.")]
Limit = Annotated[int, Field(ge=1, le=MOST_STEPS, description="Steps of one slice; `next` begins the following one.")]
Points = Annotated[
    int | None,
    Field(ge=4, le=MOST_STEPS, description="About so many steps of the whole stretch, with its extremes, instead."),
]


@router.get("/runs/{run_id}/steps", response=StepSlice)
def steps(
    request: HttpRequest, run_id: str, since: From = 0, until: To = None, limit: Limit = 500, points: Points = None
) -> Any:
    """Steps in order, each against the mean of those before it, by the id of a run's job or battle, or `newest`."""
    folder = settings.WORLD.battles / find_battle(run_id).battle_id
    if points is not None:
        return step_slice.thinned(folder, points=points, since=since, until=until)
    return step_slice.read(folder, since=since, until=until, limit=limit)


@router.get("/runs/{run_id}/steps/{step}", response=StepReport)
def step(request: HttpRequest, run_id: str, step: Step) -> Any:
    """One step with its rows of the highest loss and what was told at it."""
    return step_report(settings.WORLD, find_battle(run_id), step)


def find_battle(run_id: str) -> Battle:
    """By its own id, or the newest of a job. Raises NoSuchJob, or NotPossible for one that was not fought yet."""
    battles = Battle.objects.select_related("quest")
    found = latest_battle() if run_id == NEWEST else battles.filter(battle_id=run_id).first()
    if found is not None:
        return found
    job = jobs.get(settings.WORLD, run_id)
    if job.battle is None:
        raise NotPossible(f"{job.name} is {job.state}: it has no steps before it is fought")
    return battles.get(battle_id=job.battle)
