"""Checkpoints of a job, with what was measured at each."""

from __future__ import annotations

from typing import Any

from realm.world import World
from watchtower.openai_api import battle_log, models
from watchtower.openai_api.jobs import Job


def listed(world: World, job: Job) -> list[dict[str, Any]]:
    """The newest first."""
    folder = job.folder(world)
    if folder is None or job.battle is None:
        return []
    told, first_step = job.events(world), job.battle.first_step or 0
    valid = battle_log.valid_losses(told, job.record, battle_log.order(folder))
    found = []
    for event in reversed(battle_log.checkpoints(told)):
        step = event.step - first_step
        train_loss = event.data.get("train_loss")
        valid_loss = valid.get(event.step)  # over all of the file that is scored
        measured = {"step": step, "train_loss": train_loss, "valid_loss": valid_loss, "full_valid_loss": valid_loss}
        found.append(
            {
                "object": "fine_tuning.job.checkpoint",
                "id": f"ftckpt-{job.id.removeprefix(job.record.prefix)}-{event.seq}",
                "created_at": int(event.time),
                "fine_tuned_model_checkpoint": models.name_of(job.battle.hero, str(event.data.get("name"))),
                "fine_tuning_job_id": job.id,
                "metrics": {name: value for name, value in measured.items() if value is not None},
                "step_number": step,
            }
        )
    return found
