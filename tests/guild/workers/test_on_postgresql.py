"""Jobs on PostgreSQL: given while a worker lives, begun anew after it died, whatever is left of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from guild.evaluation.queue import enqueue
from guild.models import EvaluationTask, Run, Worker
from guild.tasks.registry import FIXED, Task, player_runs
from guild.work import forging
from guild.workers import jobs, roster
from guild.workers.dispatch import EVALUATE, hand_over
from guild.workers.jobs import MOST_ATTEMPTS, SILENT_SECONDS, Job
from realm.world import World
from sentinels.inspector import workers as patrolled
from tests.support.checkpoints import make_checkpoint

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db, pytest.mark.usefixtures("skills_folder")]

(EVALUATING,) = (task for task in FIXED if task.name == EVALUATE)


@pytest.fixture
def manager() -> Any:
    from procrastinate.contrib.django import app

    return app.job_manager


def lives(host: str, *resources: str, busy: str = "", silent: float = 0.0) -> None:
    told = {"host": host, "resources": list(resources), "pid": 1, "busy": busy, "started_at": timezone.now()}
    heard = timezone.now() - timedelta(seconds=silent)
    Worker.objects.update_or_create(name=f"{host}/{'+'.join(resources)}", defaults=told | {"heartbeat_at": heard})


def saved(world: World, *steps: int) -> list[str]:
    names = [make_checkpoint(world.heroes, step).name for step in steps]
    for step, name in zip(steps, names, strict=True):
        enqueue(hero="DIO", checkpoint=name, step=step, skill="bin", level=1)
    return names


def hand(world: World, *tasks: Task, due: bool = True, wished: tuple[str, ...] = ()) -> list[str]:
    own, _ = hand_over(world, tasks, is_due=lambda task: due, wished=wished)
    return [" ".join(task.argv[2:]) for task in own]


def acts() -> dict[str, str]:
    return {job.act: job.queue for job in jobs.open_jobs()}


def begun(manager: Any, queue: str) -> tuple[int, Job]:
    """A worker of the library's own, and the job that it works on."""
    worker = async_to_sync(manager.register_worker)()
    async_to_sync(manager.fetch_job)(queues=[queue], worker_id=worker)
    (job,) = (job for job in jobs.open_jobs() if job.queue == queue and job.state == jobs.DOING)
    return worker, job


def silent(worker: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE procrastinate_workers SET last_heartbeat = now() - interval '60 seconds' WHERE id = %s", [worker]
        )


def only_job() -> Job:
    (job,) = jobs.open_jobs()
    return job


def test_without_workers_the_task_master_does_all_itself(world: World) -> None:
    saved(world, 1)
    assert hand(world, EVALUATING) == ["evaluate --once"]
    assert not acts()


def test_checkpoints_are_given_to_those_who_live_two_to_each(world: World) -> None:
    names = saved(world, 1, 2, 3, 4)
    lives("box", "gpu0")
    lives("lost", "gpu0", silent=2 * SILENT_SECONDS)
    assert hand(world, EVALUATING) == ["evaluate --once --bring-home"]
    hand(world, EVALUATING)
    assert acts() == {f"evaluate DIO/{name}": "gpu:box:0" for name in names[:2]}
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT lock FROM procrastinate_jobs")
        assert cursor.fetchall() == [("gpu:box:0",)]


def test_what_is_not_due_or_wished_here_is_given_to_nobody(world: World) -> None:
    saved(world, 1)
    lives("box", "cpu")
    hand(world, EVALUATING, due=False)
    assert hand(world, EVALUATING, wished=(EVALUATE,)) == ["evaluate --once"]
    assert not acts()


def test_a_busy_machine_gets_only_what_needs_no_quiet(world: World) -> None:
    saved(world, 1)
    lives("box", "cpu", busy="a battle is fought on this machine, which has no GPU to spare")
    hand(world, EVALUATING)
    assert not acts()
    hand(world, replace(EVALUATING, conditions=("evaluations_wait", "evaluator_answers")))
    assert len(acts()) == 1


def test_a_forge_goes_to_processors_and_not_where_it_names_a_file_of_this_machine(world: World) -> None:
    run = forging.create(forging.order(skill="bin", levels=[1], count=20), by="test")
    lives("box", "gpu0")
    assert hand(world, *player_runs([run])) == [f"perform {run.pk}"]
    lives("box", "cpu")
    assert hand(world, *player_runs([run])) == []
    assert acts() == {f"run {run.pk}": "cpu:box"}
    jobs.take_back(only_job())
    Run.objects.update(parameters=run.parameters | {"to": "/tmp/somewhere.jsonl"})
    assert hand(world, *player_runs([run])) == [f"perform {run.pk}"]


def test_what_waits_for_a_worker_that_died_is_taken_back(world: World) -> None:
    saved(world, 1)
    lives("box", "cpu")
    hand(world, EVALUATING)
    lives("box", "cpu", silent=2 * SILENT_SECONDS)
    assert hand(world, EVALUATING) == ["evaluate --once"]
    assert not acts()


def a_job_at_work(world: World, manager: Any) -> int:
    saved(world, 1)
    lives("box", "cpu")
    hand(world, EVALUATING)
    worker, job = begun(manager, "cpu:box")
    assert (job.attempts, job.stalled) == (0, False)
    return worker


def test_a_job_whose_worker_was_killed_is_begun_anew(world: World, manager: Any) -> None:
    silent(a_job_at_work(world, manager))
    assert only_job().stalled
    assert jobs.begin_stalled_anew() == 1
    assert (only_job().state, only_job().attempts) == ("todo", 1)


def test_also_where_the_workers_row_is_gone_already(world: World, manager: Any) -> None:
    silent(a_job_at_work(world, manager))
    assert async_to_sync(manager.prune_stalled_workers)(SILENT_SECONDS)
    assert jobs.begin_stalled_anew() == 1
    assert only_job().state == "todo"


def test_also_where_a_worker_of_its_name_is_back_at_once(world: World, manager: Any) -> None:
    a_job_at_work(world, manager)
    assert jobs.begin_stalled_anew() == 0  # its heartbeat is fresh
    assert async_to_sync(jobs.begin_left_anew)(manager, ["cpu:box"]) == 1
    assert only_job().state == "todo"


@pytest.mark.parametrize("gone", [silent, lambda worker: silent(worker)])
def test_twin_the_library_leaves_it_as_it_is(world: World, manager: Any, gone: Callable[[int], None]) -> None:
    """Another worker comes, prunes and looks for work: the job stays the dead one's, and its lock keeps all others."""
    gone(a_job_at_work(world, manager))
    async_to_sync(manager.prune_stalled_workers)(SILENT_SECONDS)
    worker = async_to_sync(manager.register_worker)()
    assert async_to_sync(manager.fetch_job)(queues=["cpu:box"], worker_id=worker) is None
    assert only_job().state == "doing"


def test_a_worker_at_work_keeps_its_job(world: World, manager: Any) -> None:
    a_job_at_work(world, manager)
    assert jobs.begin_stalled_anew() == 0
    assert only_job().state == "doing"


def test_a_job_whose_workers_die_again_and_again_is_given_up(world: World, manager: Any) -> None:
    silent(a_job_at_work(world, manager))
    EvaluationTask.objects.update(state="answering", claim=str(only_job().claim), attempts=5)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET attempts = %s", [MOST_ATTEMPTS - 1])
    hand(world, EVALUATING)
    assert not acts()
    assert EvaluationTask.objects.get().state == "failed"


def test_what_came_to_nothing_is_not_given_again_at_once(world: World, manager: Any) -> None:
    a_job_at_work(world, manager)
    from procrastinate.jobs import Status

    async_to_sync(manager.finish_job_by_id_async)(only_job().id, Status.FAILED, False)
    hand(world, EVALUATING)
    assert not acts()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_events SET at = at - interval '2 minutes'")
    hand(world, EVALUATING)
    assert len(acts()) == 1


def test_workers_are_listed_with_what_they_do_and_a_dead_one_is_named(world: World, manager: Any) -> None:
    silent(a_job_at_work(world, manager))
    lives("box", "cpu", silent=2 * SILENT_SECONDS)
    lives("other", "gpu0")
    seen = roster.look()
    assert [(worker.name, worker.alive) for worker in seen.workers] == [("other/gpu0", True), ("box/cpu", False)]
    said = StringIO()
    with pytest.raises(SystemExit):
        call_command("worker", "--list", stdout=said)
    assert "dead" in said.getvalue()
    (finding,) = patrolled.look(None)  # type: ignore[arg-type]
    assert (finding.verdict, finding.what) == ("warning", "box/cpu")
    assert only_job().act in finding.sentence


def test_a_living_one_is_no_warning(world: World) -> None:
    lives("other", "gpu0")
    assert [finding.verdict for finding in patrolled.look(None)] == ["ok"]  # type: ignore[arg-type]
