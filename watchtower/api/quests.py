"""`/api/quests`: the quest board for programs. Adding one is starting a training run."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from django.conf import settings
from django.http import Http404, HttpRequest
from ninja import Router, Schema
from pydantic import Field

from arena import jobs, quest_orders
from arena import status as arena_status
from arena.gate import report as reports
from arena.jobs.finding import find_quest
from arena.models import Quest
from arena.profiles import quest_recipe
from arena.quest_orders import Act
from arena.queue import files as queue
from realm import config, strict
from realm.strict import BadConfig
from realm.world import PRIORITIES
from vault.api import pages
from vault.api.asking import Liberal, by
from vault.api.pages import USUAL, Limit, Offset
from watchtower.api import run_orders
from watchtower.api.run_answers import TrainingRun, training_run
from watchtower.api.run_orders import Start

router = Router()
WAITING_FIRST = ("priority", "position", "id")


class QuestSummary(Schema):
    id: int
    job: str
    """Id of the job that it is; empty for one that nobody asked for."""
    name: str
    state: str
    priority: str
    position: int
    file: str
    data_format: str
    rows: int
    taken: int
    warned: int
    held_out: int
    tokens: int | None
    trained_tokens: int | None
    steps: int | None
    size_bytes: int
    sha256: str
    skill: str
    level: int | None
    reason: str
    refusal: str
    arrived_at: datetime
    ended_at: datetime | None


class QuestWithActs(QuestSummary):
    acts: list[str]
    """What it can be ordered to now, as `/api/quests/{id}/{act}`."""
    battles: list[str]
    recipe: dict[str, Any]
    """Of its own; empty where it follows the realm's."""


class Move(Liberal):
    priority: str | None = None
    before: Annotated[str | int | None, Field(description="quest in front of which it goes; none: behind all")] = None


class OwnRecipe(Liberal):
    preset: Annotated[str | None, Field(max_length=80)] = None
    recipe: dict[str, Any] = {}
    """Keys of the recipe; with neither it follows the realm's again."""
    confirm: bool = False


class Asked(Schema):
    success: bool
    act: str
    id: int
    message: str


QuestsPage = pages.page_of(QuestSummary, "quests")


@router.get("", response=QuestsPage)
def quests(
    request: HttpRequest,
    state: str | None = None,
    priority: str | None = None,
    skill: str | None = None,
    q: str = "",
    limit: Limit = USUAL,
    offset: Offset = 0,
) -> Any:
    """Newest first; those of one state that waits in the order in which they are fought."""
    _check("state", state, Quest.State.values)
    _check("priority", priority, Quest.Priority.values)
    wanted = {"state": state, "priority": priority, "skill": skill}
    rows = Quest.objects.filter(**{key: value for key, value in wanted.items() if value is not None})
    rows = rows.filter(name__icontains=q) if q else rows
    rows = queue.in_order(rows) if state in queue.WAITING else rows.order_by("-id")
    return pages.cut(rows, limit=limit, offset=offset, key="quests", told=_told)


@router.post("", response=TrainingRun)
def add(request: HttpRequest, body: Start) -> Any:
    """The same as POST `/api/training/start`."""
    job = run_orders.start(request, body)
    return training_run(job, message=f"{job.name} goes to the gatekeepers.")


@router.get("/{quest_id}", response=QuestWithActs)
def quest(request: HttpRequest, quest_id: str) -> Any:
    """By its number, the id of its job, or of a battle."""
    found = find(quest_id)
    return _told(found) | {
        "acts": [act for act in Act if quest_orders.makes_sense(found, act)],
        "battles": list(found.battles.order_by("id").values_list("battle_id", flat=True)),
        "recipe": _recipe(found),
    }


@router.get("/{quest_id}/report", response=dict[str, Any])
def report(request: HttpRequest, quest_id: str) -> Any:
    """What the gatekeepers found."""
    found = find(quest_id)
    told = reports.read_report(queue.path_of(settings.WORLD, found)) if found.file else None
    if told is None:
        raise Http404(f"there is no report of {found.name}: the gatekeepers have not looked, or its file made room")
    return told.to_json()


@router.post("/{quest_id}/move", response=Asked)
def move(request: HttpRequest, quest_id: str, body: Move | None = None) -> Any:
    """To a priority, and there in front of another quest or behind all."""
    found, asked = find(quest_id), body or Move()
    _check("priority", asked.priority, PRIORITIES)
    before = find(str(asked.before)) if asked.before is not None else None
    return _order(request, found, Act.MOVE, priority=asked.priority or found.priority, before=before)


@router.post("/{quest_id}/recipe", response=Asked)
def recipe(request: HttpRequest, quest_id: str, body: OwnRecipe | None = None) -> Any:
    """A recipe of its own in place of the one that it has."""
    found, asked = find(quest_id), body or OwnRecipe()
    keys = ({"preset": asked.preset} if asked.preset else {}) | asked.recipe
    world, settings_now = settings.WORLD, config.load(settings.WORLD)
    try:
        own = quest_recipe.of_keys(world, settings_now, keys, confirmed=asked.confirm)
    except BadConfig as error:
        raise ValueError(str(error)) from error
    return _order(request, found, Act.RECIPE, recipe=own.keys, confirmed_rate=own.confirmed_rate)


@router.post("/{quest_id}/{act}", response=Asked)
def order(request: HttpRequest, quest_id: str, act: str) -> Any:
    """`hold`, `release`, `cancel`, `retry`, `force` or `discard`."""
    _check("act", act, list(Act))
    return _order(request, find(quest_id), Act(act))


def _order(request: HttpRequest, found: Quest, act: Act, **options: Any) -> dict[str, Any]:
    if not quest_orders.makes_sense(found, act):
        possible = ", ".join(each for each in Act if quest_orders.makes_sense(found, each)) or "nothing"
        raise jobs.NotPossible(f"{found.name} is {found.state}: {act} makes no sense; possible: {possible}")
    quest_orders.send(settings.WORLD, act=act, quests=[found], by=by(request), **options)
    asleep = "" if arena_status.daemon_alive(settings.WORLD) else " The arena is not running; it obeys when it starts."
    return {"success": True, "act": act, "id": found.pk, "message": f"Asked: {act} {found.name}.{asleep}"}


def find(quest_id: str) -> Quest:
    found = find_quest(quest_id)
    if found is None:
        raise Http404(f"there is no quest {quest_id[:80]}, or none any more")
    return found


def _told(found: Quest) -> dict[str, Any]:
    return {key: getattr(found, key) for key in QuestSummary.model_fields}


def _recipe(found: Quest) -> dict[str, Any]:
    if not found.file:
        return {}
    try:
        return quest_recipe.read_beside(settings.WORLD, queue.path_of(settings.WORLD, found))
    except BadConfig:
        return {}


def _check(key: str, value: str | None, allowed: Any) -> None:
    if value is not None and value not in allowed:
        raise ValueError(f"{key}: {strict.shown(value)} is not allowed; allowed are {', '.join(allowed)}")
