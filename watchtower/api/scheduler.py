"""`/api/curriculum`, `/api/tasks` and `/api/settings`: what is forged and done by itself, as the pages set it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest
from ninja import Router, Schema

from guild.curriculum import plan as curricula
from guild.selectors import lost_levels
from guild.skills.registry import get_skill
from guild.tasks import run_requests, task_settings
from guild.tasks.only_master import master_alive
from guild.tasks.selectors import find_task, overview
from guild.workers import roster
from realm import config, config_edit, strict
from realm.config import RealmConfig
from realm.management.as_json import plain
from realm.strict import BadConfig
from vault.api.asking import Liberal, by

router = Router()


class Changes(Liberal):
    changes: dict[str, Any]
    """Keys and their new values; null: as the realm ships it."""


class Metric(Liberal):
    metric: str


class Switch(Liberal):
    on: bool


class Saved(Schema):
    success: bool
    message: str


@router.get("/curriculum", response=dict[str, Any])
def curriculum(request: HttpRequest) -> Any:
    """Whose turn it is, what was lost, and the quest that is forged next and why."""
    world, hero, found = settings.WORLD, settings.REALM.hero, config.load(settings.WORLD)
    wishes = curricula.read_curriculum(found)
    turns = curricula.turns(world, hero, wishes)
    return {
        "autoplay": found.autoplay,
        "turns": plain(turns),
        "lost": {turn.skill.name: list(lost_levels(hero, turn.skill.name)) for turn in turns},
        "next": plain(curricula.plan(world, hero, wishes)),
    }


@router.post("/curriculum/{skill}", response=Saved)
def set_curriculum(request: HttpRequest, skill: str, body: Changes) -> Any:
    """What is wanted of a skill otherwise than its file says."""
    name = get_skill(skill).name
    _saved(lambda: curricula.save_curriculum(settings.WORLD, name, body.changes))
    return {"success": True, "message": f"Saved for {name}. The next quest is forged by it."}


@router.post("/autoplay", response=Saved)
def autoplay(request: HttpRequest, body: Switch) -> Any:
    """Whether quests are forged by themselves."""
    _change("autoplay", body.on)
    return {"success": True, "message": f"Auto-play is {'on' if body.on else 'off'}."}


@router.post("/settings/champion-metric", response=Saved)
def champion_metric(request: HttpRequest, body: Metric) -> Any:
    """By what the champion is chosen: train_loss, val_loss, levels, accuracy."""
    _change("champion_metric", body.metric)
    return {"success": True, "message": f"The champion is chosen by {body.metric}."}


@router.get("/tasks", response=dict[str, Any])
def tasks(request: HttpRequest) -> Any:
    """The Task Master and every task: when it ran last, why it does not run now."""
    return plain(overview(settings.WORLD, config.load(settings.WORLD)))


@router.get("/tasks/workers", response=dict[str, Any])
def workers(request: HttpRequest) -> Any:
    """Who works on jobs of the Task Master, on which machine, and on what; `why_not` where there can be nobody."""
    return plain(roster.look())


@router.post("/tasks/{name}/run", response=Saved)
def run_task(request: HttpRequest, name: str) -> Any:
    """Let the Task Master do it as soon as nothing else has its resource."""
    found = find_task(settings.WORLD, config.load(settings.WORLD), name)
    if found is None:
        raise Http404(f"there is no task {strict.shown(name)}")
    run_requests.send(settings.WORLD, found.name, by=by(request))
    asleep = "" if master_alive(settings.WORLD) else " No Task Master lives: it waits until one is started."
    return {"success": True, "message": f"Asked: {found.title}.{asleep}"}


@router.post("/tasks/{name}", response=Saved)
def set_task(request: HttpRequest, name: str, body: Changes) -> Any:
    """Its settings: enabled, priority, cooldown_seconds, timeout_seconds, count, beside_battle."""
    found = find_task(settings.WORLD, config.load(settings.WORLD), name)
    if found is None or found.run_id is not None:
        raise Http404(f"there is no task {strict.shown(name)} that can be set")
    _saved(lambda: task_settings.save_tasks(settings.WORLD, {found.name: body.changes}))
    return {"success": True, "message": f"{found.title}: saved."}


def _change(key: str, value: Any) -> None:
    source = str(config.config_file(settings.WORLD))

    def check(values: Any) -> Any:
        return strict.read(RealmConfig, values, source=source)

    _saved(lambda: config_edit.change(settings.WORLD, {(key,): value}, check=check))


def _saved(save: Any) -> None:
    """Raises ValueError for what cannot be; settings that could not be read before are told as such."""
    config.load(settings.WORLD)
    try:
        save()
    except BadConfig as error:
        raise ValueError(str(error)) from error
