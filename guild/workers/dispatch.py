"""What the Task Master gives to workers, and what it takes back of those that died.

It stays the one who decides: a job is given only when a worker could begin it, with at most one more waiting, so that
what is more urgent by then goes first. Where no worker serves a resource, it does the work itself.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from django.utils import timezone

from guild.evaluation.queue import MOST_ATTEMPTS
from guild.models import EvaluationTask, Run
from guild.tasks.cooldown import Wait
from guild.tasks.registry import GENERATE_PREFIX, RUN_PREFIX, SPARRING_PREFIX, Task
from guild.work import outbox, runs
from guild.workers import jobs, possible, roster, units
from guild.workers.claims import Claim
from guild.workers.jobs import TODO, Job
from guild.workers.resources import Kind
from guild.workers.roster import Seen
from guild.workers.units import Unit
from realm.world import World

log = logging.getLogger(__name__)

EVALUATE = "process_eval_queue"
HOME_SECONDS = 5.0
"""Between two looks for answers that workers gave."""
AHEAD = 2
"""A queue holds one job that is worked on and one that waits: no worker stands still between two looks."""
_HOSTS_CONDITIONS = ("oracle", "oracle_answers", "evaluator", "evaluator_answers", "idle")
"""What a worker knows better of its own machine."""


@dataclass(frozen=True)
class Places:
    """Queues that living workers serve, by what they are for."""

    alive: tuple[Seen, ...]

    def of(self, kind: Kind) -> list[tuple[str, Seen]]:
        """For what a GPU answers best a processor will do where no worker has a GPU."""
        found = self._serving(kind)
        return found or (self._serving("cpu") if kind == "gpu" else [])

    def _serving(self, kind: Kind) -> list[tuple[str, Seen]]:
        return [(queue, seen) for seen in self.alive for queue in seen.queues if queue.startswith(f"{kind}:")]


def hand_over(
    world: World, tasks: Sequence[Task], *, is_due: Callable[[Task], bool], wished: Collection[str]
) -> tuple[list[Task], dict[str, Wait]]:
    """The tasks that are left to the Task Master, changed where workers do the rest; and what the others wait for.

    `is_due` says whether a task's time has come, `wished` names those that the player wants here and now.
    """
    if possible.why_not():
        return list(tasks), {}
    open_jobs = mend(world)
    seen = roster.look()
    alive = tuple(worker for worker in seen.workers if worker.alive)
    served = {queue for worker in alive for queue in worker.queues}
    for job in open_jobs:
        if job.state == TODO and job.queue not in served:
            jobs.take_back(job)
    if not alive:
        return list(tasks), {}
    places = Places(alive)
    own: list[Task] = []
    waits: dict[str, Wait] = {}
    given = {job.act: job for job in open_jobs if job.queue in served}
    failed = jobs.failed_lately()
    here = {task.name for task in tasks if task.name in wished or not _can_be_given(task)}
    for task in sorted(tasks, key=lambda task: -task.priority):
        if task.name in here or not places.of(_kind_of(task)):
            own.append(task)
            continue
        if is_due(replace(task, cooldown_seconds=0.0) if task.name == EVALUATE else task):
            _give_all((unit for unit in units.of_task(world, task) if unit.act not in failed), places, given)
        rest = _rest_of(task)
        own += [rest] if rest else []
        waits |= {} if rest else {task.name: Wait(why=_where(task, given))}
    return own, waits


def mend(world: World) -> list[Job]:
    """Begin anew what stalled, let go of rows whose job is over, bring home what was made; the jobs that are open."""
    if jobs.begin_stalled_anew():
        log.info("jobs of workers that died are begun anew")
    outbox.bring_home(world)
    open_jobs = jobs.open_jobs()
    let_go({job.id for job in open_jobs})
    return open_jobs


def let_go(open_ids: Collection[int]) -> None:
    """What a job has claimed and not finished when it ended, however it ended: its process died, or was given up."""
    for run in Run.objects.filter(state=Run.State.RUNNING).exclude(claim=""):
        if Claim.read(run.claim).job not in open_ids:
            _end_run(run)
    for task in EvaluationTask.objects.filter(state=EvaluationTask.State.ANSWERING).exclude(claim=""):
        if Claim.read(task.claim).job not in open_ids:
            _put_back(task)


def _end_run(run: Run) -> None:
    state = Run.State.STOPPED if run.stop_asked else Run.State.FAILED
    Run.objects.filter(pk=run.pk, state=Run.State.RUNNING, claim=run.claim).update(
        state=state, message=runs.DIED, pid=None, ended_at=run.heartbeat_at or timezone.now()
    )


def _put_back(task: EvaluationTask) -> None:
    given_up = task.attempts >= MOST_ATTEMPTS
    EvaluationTask.objects.filter(pk=task.pk, state=task.state, claim=task.claim).update(
        state=EvaluationTask.State.FAILED if given_up else EvaluationTask.State.WAITING,
        claim="",
        reason=f"{runs.DIED} ({task.attempts} attempts)",
        updated_at=timezone.now(),
    )


def _kind_of(task: Task) -> Kind:
    return "gpu" if task.resource == "oracle" else "cpu"


def _can_be_given(task: Task) -> bool:
    """What makes sets, scans and copies is of this world's disk."""
    if task.run_id is not None:
        row = Run.objects.filter(pk=task.run_id).first()
        return row is not None and not units.is_of_here(row)
    return task.name == EVALUATE or task.name.startswith((SPARRING_PREFIX, GENERATE_PREFIX))


def _rest_of(task: Task) -> Task | None:
    """What of a task is left to do here: answers are brought home, a run is only written down. None: nothing."""
    if task.name.startswith(RUN_PREFIX):
        return None
    conditions = tuple(name for name in task.conditions if name not in _HOSTS_CONDITIONS)
    if task.name == EVALUATE:
        arrived = tuple("answers_arrived" if name == "evaluations_wait" else name for name in conditions)
        return replace(task, argv=(*task.argv, "--bring-home"), conditions=arrived, cooldown_seconds=HOME_SECONDS)
    return replace(task, argv=(*task.argv, "--background"), resource="cpu", conditions=conditions)


def _give_all(wanted: Iterable[Unit], places: Places, given: dict[str, Job]) -> None:
    for unit in wanted:
        if unit.act in given:
            continue
        queue = _free_queue(unit, places, given)
        if queue is None:
            return
        if jobs.give(unit.act, queue=queue, priority=unit.priority, args=unit.args):
            log.info("%s is given to %s", unit.act, queue)
        given[unit.act] = Job(id=0, act=unit.act, queue=queue, priority=unit.priority, attempts=0, state=TODO)


def _free_queue(unit: Unit, places: Places, given: dict[str, Job]) -> str | None:
    """The emptiest one."""
    lengths = {
        queue: sum(job.queue == queue for job in given.values())
        for queue, seen in places.of(unit.kind)
        if not (seen.busy and unit.needs_quiet)
    }
    free = [queue for queue, length in lengths.items() if length < AHEAD]
    return min(free, key=lambda queue: (lengths[queue], queue), default=None)


def _where(task: Task, given: dict[str, Job]) -> str:
    job = given.get(f"run {task.run_id}")
    return f"a worker has it, in the queue {job.queue}" if job else "workers have others to do"
