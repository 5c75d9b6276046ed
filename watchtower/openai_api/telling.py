"""A job as OpenAI's clients read it."""

from __future__ import annotations

import time
from typing import Any

from arena import steps
from arena.protocol import Event, EventKind
from realm.world import World
from watchtower.openai_api import battle_log, models
from watchtower.openai_api.jobs import Job

ORGANIZATION = "realm"


def job(world: World, job: Job) -> dict[str, Any]:
    record, folder = job.record, job.folder(world)
    told = job.events(world) if job.is_over else []
    order = battle_log.order(folder) if folder else None
    recipe = order.recipe if order else None
    succeeded = job.status == "succeeded"
    asked = {
        "n_epochs": recipe.epochs if recipe else record.n_epochs or "auto",
        "batch_size": recipe.rows_per_step if recipe else record.batch_size or "auto",
        "learning_rate_multiplier": record.learning_rate_multiplier or (1.0 if recipe else "auto"),
    }
    return {
        "object": "fine_tuning.job",
        "id": record.id,
        "created_at": int(record.created),
        "error": _error(job) if job.status == "failed" else None,
        "fine_tuned_model": _fine_tuned(job, told) if succeeded else None,
        "finished_at": _finished_at(job, told) if job.is_over else None,
        "hyperparameters": asked,
        "model": record.model,
        "organization_id": ORGANIZATION,
        "result_files": [record.results] if succeeded and record.results else [],
        "seed": recipe.seed if recipe else record.seed,
        "status": job.status,
        "trained_tokens": _trained_tokens(world, job) if job.is_over else None,
        "training_file": record.training_file,
        "validation_file": record.validation_file,
        "estimated_finish": _estimated_finish(world, job) if job.status == "running" else None,
        "integrations": [],
        "metadata": record.metadata,
        "method": {"type": "supervised", "supervised": {"hyperparameters": asked}} if record.method else None,
        "user_provided_suffix": record.suffix,
    }


def _error(job: Job) -> dict[str, Any]:
    refused_by_gate = job.quest is not None and job.quest.refusal
    return {
        "code": refused_by_gate or "training_failed",
        "message": job.reason or "The battle failed; the log has more.",
        "param": "training_file" if refused_by_gate else None,
    }


def _fine_tuned(job: Job, told: list[Event]) -> str | None:
    """The last checkpoint: with an early stop the best one."""
    name = next((event.data.get("checkpoint") for event in reversed(told) if _is_completed(event)), None)
    saved = battle_log.checkpoints(told)
    name = name or (saved[-1].data.get("name") if saved else None)
    return models.name_of(job.battle.hero, str(name)) if job.battle and name else None


def _is_completed(event: Event) -> bool:
    return event.kind == EventKind.BATTLE_COMPLETED


def _finished_at(job: Job, told: list[Event]) -> int:
    if told and told[-1].is_ending:
        return int(told[-1].time)
    ended = job.quest.ended_at if job.quest else None
    return int(ended.timestamp() if ended else job.record.created)


def _trained_tokens(world: World, job: Job) -> int:
    folder = job.folder(world)
    return int(battle_log.records(folder)["tokens"].sum()) if folder else 0


def _estimated_finish(world: World, job: Job) -> int | None:
    """By its speed of the last minute; None before there is one."""
    folder = job.folder(world)
    if folder is None or job.battle is None or not job.battle.total_steps:
        return None
    records = battle_log.records(folder)
    speed = steps.rates(records).steps_per_second
    if not len(records) or not speed:
        return None
    return int(time.time() + max(0, job.battle.total_steps - int(records["quest_step"][-1])) / speed)
