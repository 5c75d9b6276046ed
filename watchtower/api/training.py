"""`/api/training`: runs and what they can be started on, how the battle stands, what waits, and orders to the arena."""

from __future__ import annotations

from dataclasses import fields
from typing import Annotated, Any, ClassVar

from django.conf import settings
from django.db.models import Count
from django.http import HttpRequest
from ninja import Router
from pydantic import Field

from arena import branch_orders, jobs, orders, rate_orders, selectors, steps
from arena import status as arena_status
from arena.models import Battle, Quest
from arena.orders import Wish
from arena.steps import MOST_CURVE_POINTS
from realm.management.as_json import plain
from vault.api import pages
from vault.api.asking import Liberal, by
from vault.api.pages import USUAL, Limit, Offset
from vault.models import Checkpoint
from watchtower import scores
from watchtower.api import data_sources, run_history, run_orders
from watchtower.api.data_sources import DataSource
from watchtower.api.run_answers import TrainingRun, training_run
from watchtower.api.run_orders import Start
from watchtower.api.training_answers import (
    Controlled,
    GoOnAnswer,
    LossPoint,
    Queue,
    RateAnswer,
    RunWithHistory,
    Status,
    ValidationCurve,
)

router = Router()
_WAITING = (Quest.State.ARRIVED, Quest.State.INSPECTED, Quest.State.QUEUED, Quest.State.BATTLING)
_PLACE = {"high": 0, "normal": 1, "low": 2}
_STATES = {"training": "training", "preparing": "training", "paused": "paused", "resting": "paused"}
"""Of the arena, in the words of the first documents; all others are idle."""
RunsPage = pages.page_of(TrainingRun, "runs")
SourcesPage = pages.page_of(DataSource, "data_sources")
Points = Annotated[int, Field(ge=4, le=MOST_CURVE_POINTS, description="Steps of the loss history at most.")]


class Order(Liberal):
    other_names: ClassVar = {"command": "action", "wish": "action"}

    action: Annotated[str, Field(description="pause, resume, stop or skip")]


class Rate(Liberal):
    other_names: ClassVar = {"lr": "learning_rate"}

    learning_rate: Annotated[float, Field(gt=0)]


class GoOn(Liberal):
    other_names: ClassVar = {"name": "checkpoint", "step": "checkpoint", "model": "checkpoint"}

    checkpoint: Annotated[str | int, Field(description="canonical name, step, or base")]
    hero: Annotated[str | None, Field(max_length=80)] = None


@router.get("/runs", response=RunsPage)
def runs(request: HttpRequest, state: str | None = None, q: str = "", limit: Limit = USUAL, offset: Offset = 0) -> Any:
    """Newest first: all, or those of one state, or whose names hold `q`."""
    found = jobs.jobs(settings.WORLD, state=state, text=q, limit=limit, offset=offset)
    told = [training_run(job) for job in found.items]
    return pages.page(told, total=found.total, limit=limit, offset=offset, key="runs")


@router.get("/runs/{run_id}", response=RunWithHistory)
def run(request: HttpRequest, run_id: str, points: Points = 500) -> Any:
    """One run with its losses, by the id of its job or of its battle, or by its quest's number."""
    told = training_run(jobs.get(settings.WORLD, run_id))
    battle = told.battle
    saved = Checkpoint.objects.filter(battle=battle).order_by("step", "name") if battle else Checkpoint.objects.none()
    return RunWithHistory(
        **{field.name: getattr(told, field.name) for field in fields(told)},
        loss_history=_losses(battle, points) if battle else [],
        validation=_validation(battle) if battle else [],
        checkpoints=list(saved.values_list("name", flat=True)),
    )


@router.delete("/runs/{run_id}", response=run_history.DeletionAnswer)
def delete(request: HttpRequest, run_id: str) -> Any:
    """Let the arena delete a battle that is over; its steps can be put back for a week, and what it won stays."""
    return run_history.deleted(request, [run_history.find(run_id)])


def _losses(battle: str, points: int) -> list[LossPoint]:
    path = steps.path_of(settings.WORLD, battle)
    records = steps.thin(steps.read(path, 0, steps.count(path)), points)
    keys = list(LossPoint.model_fields)
    rows = zip(*(records[key].tolist() for key in keys), strict=True)
    return [LossPoint(**dict(zip(keys, map(_plain_number, row), strict=True))) for row in rows]


def _plain_number(value: float | int) -> Any:
    return steps.finite(value) if isinstance(value, float) else value


def _validation(battle: str) -> list[ValidationCurve]:
    return [ValidationCurve(**curve) for curve in scores.curves(scores.scores_of(battle))]


@router.post("/start", response=TrainingRun)
def start(request: HttpRequest, body: Start | None = None) -> Any:
    """Train on rows, a file of this world, or a data source; the run exists from now on, whatever runs."""
    job = run_orders.start(request, body or Start())
    return training_run(job, message=f"{job.name} goes to the gatekeepers.")


@router.post("/stop/{run_id}", response=TrainingRun)
def stop(request: HttpRequest, run_id: str) -> Any:
    """One that waits is cancelled; one that is fought is saved as a checkpoint and ended."""
    job = jobs.stop(settings.WORLD, run_id, by=by(request))
    return training_run(job, message=f"Asked: stop {job.name}.")


@router.post("/pause/{run_id}", response=TrainingRun)
def pause(request: HttpRequest, run_id: str) -> Any:
    """One that waits is put on hold; of one that is fought the arena pauses, exactly where it is."""
    job = jobs.pause(settings.WORLD, run_id, by=by(request))
    return training_run(job, message=f"Asked: pause {job.name}.")


@router.post("/resume/{run_id}", response=TrainingRun)
def resume(request: HttpRequest, run_id: str) -> Any:
    """Let one go on that was paused or is on hold."""
    job = jobs.resume(settings.WORLD, run_id, by=by(request))
    return training_run(job, message=f"Asked: resume {job.name}.")


@router.get("/data-sources", response=SourcesPage)
def sources(request: HttpRequest, kind: str = "", limit: Limit = USUAL, offset: Offset = 0) -> Any:
    """What can be trained on, and what it is validated with."""
    found = [each for each in data_sources.list_sources(settings.WORLD) if kind in ("", each["kind"])]
    return pages.cut(found, limit=limit, offset=offset, key="data_sources")


@router.get("/status", response=Status)
def status(request: HttpRequest) -> Any:
    """What the arena does now: its state, and the newest battle with its last step."""
    told = arena_status.read_status(settings.WORLD)
    battle = selectors.latest_battle()
    step = selectors.last_step(settings.WORLD, battle) if battle else None
    runs = told.alive and battle is not None and battle.state in (Battle.State.TRAINING, Battle.State.PAUSED)
    return {
        "status": _STATES.get(told.state, "idle"),
        "arena": told.state,
        "message": told.message,
        "is_running": told.alive,
        "is_training": told.state == "training",
        "is_paused": told.state == "paused",
        "current_file": battle.quest.name if runs and battle else None,
        "quest": battle.quest.name if battle else None,
        "battle": plain(battle) if battle else None,
        "job_id": (battle.quest.job or f"quest-{battle.quest.pk}") if battle else None,
        "hero": battle.hero if battle else settings.REALM.hero,
        "current_step": step.step if step else None,
        "quest_step": step.quest_step if step else None,
        "total_steps": battle.total_steps if battle else None,
        "loss": steps.finite(step.loss) if step else None,
        "learning_rate": step.learning_rate if step else None,
        "time": told.time,
    }


@router.get("/queue", response=Queue)
def queue(request: HttpRequest, limit: Annotated[int, Field(ge=0, le=10_000)] = 100) -> Any:
    """How many quests stand where, and the first that wait, in the order in which they are fought."""
    states = dict.fromkeys(Quest.State.values, 0)
    states |= dict(Quest.objects.values_list("state").annotate(Count("pk")).order_by())
    standing = Quest.objects.filter(state__in=_WAITING)
    lanes = dict.fromkeys(Quest.Priority.values, 0)
    lanes |= dict(standing.values_list("priority").annotate(Count("pk")).order_by())
    keys = (
        "id", "job", "name", "priority", "state", "position", "rows", "steps", "skill", "level", "arrived_at",
    )  # fmt: skip
    waiting = sorted(
        standing.values(*keys), key=lambda quest: (_PLACE[quest["priority"]], quest["position"], quest["id"])
    )
    return {"total": sum(lanes.values()), "queued": lanes, "states": states, "quests": waiting[:limit]}


@router.post("/control", response=Controlled)
def control(request: HttpRequest, order: Order) -> Any:
    """Order the arena to pause, resume, stop or skip; it obeys within a second, or when it is next started."""
    if order.action not in list(Wish):
        raise ValueError(f"action: {order.action[:40]!r} is not allowed; allowed are {', '.join(Wish)}")
    orders.send(settings.WORLD, wish=Wish(order.action), by=by(request))
    told = arena_status.read_status(settings.WORLD)
    said = "The arena has the order." if told.alive else "The arena is not running; it will obey when it starts."
    return {"success": True, "action": order.action, "status": _STATES.get(told.state, "idle"), "message": said}


@router.post("/rate", response=RateAnswer)
def rate(request: HttpRequest, body: Rate) -> Any:
    """Lower the learning rate of the battle under way."""
    order = rate_orders.lower(settings.WORLD, body.learning_rate, by=by(request))
    said = f"Asked: train on with a learning rate of {order.learning_rate:g}."
    return {"success": True, "message": said, "battle": order.battle, "learning_rate": order.learning_rate}


@router.post("/go-on", response=GoOnAnswer)
def go_on(request: HttpRequest, body: GoOn) -> Any:
    """Let the hero go on from an older checkpoint, as a branch."""
    hero = body.hero or settings.REALM.hero
    order = branch_orders.send(settings.WORLD, hero=hero, wish=str(body.checkpoint), by=by(request))
    said = branch_orders.promise(order)
    return {"success": True, "message": said, "hero": order.hero, "checkpoint": order.name}
