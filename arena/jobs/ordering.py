"""What can be asked of a job that there is: stop, pause, resume. The arena carries it out within a second."""

from __future__ import annotations

from arena import orders, quest_orders
from arena.jobs import finding
from arena.jobs.job import Job, JobState, NotPossible
from arena.models import Quest
from arena.orders import Wish
from arena.quest_orders import Act
from arena.queue import ticket as tickets
from realm.world import World


def stop(world: World, job_id: str, *, by: str) -> Job:
    """Cancel a job that waits; one that is fought is saved as a checkpoint and ended. Returns it as it stands now.

    Raises NoSuchJob, and NotPossible for one that is over.
    """
    job = finding.get(world, job_id)
    if job.is_over:
        raise NotPossible(f"{job.name} is {job.state} already")
    found = finding.find_unseen(world, job.id)
    if found:
        tickets.mark(*found, cancelled=True)
    quest = finding.find_quest(job.id)
    if quest is not None and Act.CANCEL in quest_orders.acts_for(quest):
        quest_orders.send(world, act=Act.CANCEL, quests=[quest], by=by)
    return finding.get(world, job.id)


def pause(world: World, job_id: str, *, by: str) -> Job:
    """Put a job on hold that waits; of one that is fought the arena pauses, exactly where it is.

    Raises NoSuchJob, and NotPossible where neither can be.
    """
    job = finding.get(world, job_id)
    if job.state == JobState.RUNNING:
        orders.send(world, wish=Wish.PAUSE, by=by)
    else:
        _send(world, job, Act.HOLD, by=by)
    return finding.get(world, job.id)


def resume(world: World, job_id: str, *, by: str) -> Job:
    """The opposite of `pause`. Raises NoSuchJob, NotPossible."""
    job = finding.get(world, job_id)
    if job.state == JobState.PAUSED:
        orders.send(world, wish=Wish.RESUME, by=by)
    else:
        _send(world, job, Act.RELEASE, by=by)
    return finding.get(world, job.id)


def _send(world: World, job: Job, act: Act, *, by: str) -> None:
    quest: Quest | None = finding.find_quest(job.id)
    if quest is None or act not in quest_orders.acts_for(quest):
        wanted = "paused" if act is Act.HOLD else "resumed"
        raise NotPossible(f"{job.name} cannot be {wanted}: {job.reason or f'it is {job.state}'}")
    quest_orders.send(world, act=act, quests=[quest], by=by)
