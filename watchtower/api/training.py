"""`/api/training`: how the battle stands, what waits, and orders to the arena."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from django.conf import settings
from django.db.models import Count
from django.http import HttpRequest
from ninja import Router
from pydantic import Field

from arena import orders, selectors
from arena import status as arena_status
from arena.models import Battle, Quest
from arena.orders import Wish
from vault.api.asking import Liberal, by

router = Router()
_WAITING = (Quest.State.ARRIVED, Quest.State.INSPECTED, Quest.State.QUEUED, Quest.State.BATTLING)
_PLACE = {"high": 0, "normal": 1, "low": 2}


class Order(Liberal):
    other_names: ClassVar = {"command": "action", "wish": "action"}

    action: Annotated[str, Field(description="pause, resume, stop or skip")]


@router.get("/status")
def status(request: HttpRequest) -> Any:
    """What the arena does now: its state, and the newest battle with its last step."""
    told = arena_status.read_status(settings.WORLD)
    battle = selectors.latest_battle()
    step = selectors.last_step(settings.WORLD, battle) if battle else None
    runs = told.alive and battle is not None and battle.state in (Battle.State.TRAINING, Battle.State.PAUSED)
    return {
        "status": told.state,
        "message": told.message,
        "is_running": told.alive,
        "is_training": told.state == "training",
        "is_paused": told.state == "paused",
        "current_file": battle.quest.name if runs and battle else None,
        "quest": battle.quest.name if battle else None,
        "battle": battle,
        "hero": battle.hero if battle else settings.REALM.hero,
        "current_step": step.step if step else None,
        "quest_step": step.quest_step if step else None,
        "total_steps": battle.total_steps if battle else None,
        "loss": step.loss if step else None,
        "learning_rate": step.learning_rate if step else None,
        "time": told.time,
    }


@router.get("/queue")
def queue(request: HttpRequest, limit: Annotated[int, Field(ge=0, le=10_000)] = 100) -> Any:
    """How many quests stand where, and the first that wait, in the order in which they are fought."""
    states = dict.fromkeys(Quest.State.values, 0)
    states |= dict(Quest.objects.values_list("state").annotate(Count("pk")).order_by())
    standing = Quest.objects.filter(state__in=_WAITING)
    lanes = dict.fromkeys(Quest.Priority.values, 0)
    lanes |= dict(standing.values_list("priority").annotate(Count("pk")).order_by())
    waiting = sorted(
        standing.values("id", "name", "priority", "state", "position", "rows", "steps", "skill", "level", "arrived_at"),
        key=lambda quest: (_PLACE[quest["priority"]], quest["position"], quest["id"]),
    )
    return {"total": sum(lanes.values()), "queued": lanes, "states": states, "quests": waiting[:limit]}


@router.post("/control")
def control(request: HttpRequest, order: Order) -> Any:
    """Order the arena to pause, resume, stop or skip; it obeys within a second, or when it is next started."""
    if order.action not in list(Wish):
        raise ValueError(f"action: {order.action[:40]!r} is not allowed; allowed are {', '.join(Wish)}")
    orders.send(settings.WORLD, wish=Wish(order.action), by=by(request))
    lives = arena_status.daemon_alive(settings.WORLD)
    said = "The arena has the order." if lives else "The arena is not running; it will obey when it starts."
    return {"success": True, "action": order.action, "message": said}
