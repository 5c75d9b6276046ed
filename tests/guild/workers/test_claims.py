"""A worker that is killed anywhere, or taken for dead and lives: each checkpoint counts once, each quest comes once."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from guild.errors import GuildError
from guild.evaluation import answers as answer_records
from guild.evaluation import queue as evaluation_queue
from guild.evaluation.judging import Judged, Verdict
from guild.evaluation.queue import Report, Share, bring_home, process
from guild.models import Evaluation, EvaluationTask, Made, Run
from guild.work import forging, outbox, runs
from guild.work.perform import perform
from guild.workers.claims import Claim, ClaimLost
from guild.workers.dispatch import let_go
from realm.world import World
from tests.guild.evaluation.test_queue import HERO, HOSTS, golden, host, kill, name_of, queued
from tests.support.fake_host import FakeHost

__all__ = ["host"]  # a fixture
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("skills_folder")]


@pytest.fixture
def elsewhere(tmp_path: Path) -> World:
    """The world of a second machine, where the same checkpoint lies."""
    other = World(tmp_path / "elsewhere")
    other.create()
    return other


def work(world: World, attempt: int, told: list[Judged] | None = None, job: int = 7) -> Report:
    def tell(judged: Judged, verdict: Verdict) -> None:
        if told is not None:
            told.append(judged)

    return process(world, hosts=HOSTS, tell=tell, share=Share(HERO, name_of(1), Claim(job, attempt)))


def only_task() -> EvaluationTask:
    return EvaluationTask.objects.get()


def test_a_worker_does_its_share_alone(world: World, host: FakeHost) -> None:
    queued(world, 1, 2)
    assert work(world, 0).done == 1
    assert dict(EvaluationTask.objects.values_list("step", "state")) == {1: "done", 2: "waiting"}


@pytest.mark.parametrize("place", ["_keep", "count_correct", "remember"])
def test_killed_anywhere_the_next_attempt_goes_on_elsewhere(
    world: World, elsewhere: World, host: FakeHost, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    queued(world, 1)
    (elsewhere.heroes / HERO).symlink_to(world.heroes / HERO)
    told: list[Judged] = []
    with monkeypatch.context() as patch:
        patch.setattr(evaluation_queue, place, lambda *args, **more: kill())
        with pytest.raises(KeyboardInterrupt):
            work(world, 0, told)
    assert (work(elsewhere, 1, told).done, len(told), Evaluation.objects.count()) == (1, 1, 1)
    assert len(host.asked) == (50 if place == "_keep" else 25)  # answers that lie in the row are not asked for again


def test_another_job_does_not_take_it_over(world: World, host: FakeHost) -> None:
    queued(world, 1)
    EvaluationTask.objects.update(state="answering", claim="7.0")
    assert work(world, 0, job=8).done == 0
    assert work(world, 1, job=7).done == 1


def test_a_machine_that_finds_itself_alone_leaves_what_workers_have(world: World, host: FakeHost) -> None:
    queued(world, 1)
    EvaluationTask.objects.update(state="answering", claim="7.0")
    assert process(world, hosts=HOSTS).done == 0
    assert only_task().claim == "7.0"


class Overtaken(FakeHost):
    """While it answers for the first worker, the second one has the job and does it."""

    def __init__(self, world: World, told: list[Judged]) -> None:
        super().__init__(golden(world))
        self._world, self._told, self._nested = world, told, False

    def answer(self, *args: Any, **more: Any) -> list[str]:
        if not self._nested:
            self._nested = True
            work(self._world, 1, self._told)
        return super().answer(*args, **more)


def overtaken(world: World, monkeypatch: pytest.MonkeyPatch) -> list[Judged]:
    """What the two told; the first one's own world has no answers of the second one."""
    told: list[Judged] = []
    first = Overtaken(world, told)
    monkeypatch.setattr("guild.evaluation.host.OracleClient", lambda host: first)
    monkeypatch.setattr(answer_records, "read", lambda *args: None)
    queued(world, 1)
    work(world, 0, told)
    return told


def test_a_worker_that_was_taken_for_dead_says_no_more(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ClaimLost, match="is evaluated by another worker"):
        overtaken(world, monkeypatch)
    assert Evaluation.objects.count() == 1
    assert (only_task().state, only_task().claim) == ("done", "7.1")


def test_twin_without_the_claim_it_counts_twice(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rule that of two evaluations the first one counts is taken away with it: it is the last net."""

    def judge_again(judged: Judged) -> Verdict:
        Evaluation.objects.all().delete()
        return remember(judged)

    remember = evaluation_queue.remember
    monkeypatch.setattr(evaluation_queue, "remember", judge_again)
    monkeypatch.setattr(evaluation_queue, "_own", lambda task: EvaluationTask.objects.filter(pk=task.pk))
    assert len(overtaken(world, monkeypatch)) == 2


def test_answers_of_workers_come_home_once(world: World, elsewhere: World, host: FakeHost) -> None:
    queued(world, 1)
    (elsewhere.heroes / HERO).symlink_to(world.heroes / HERO)
    work(elsewhere, 0)
    path = answer_records.path_of(world, HERO, name_of(1), "bin", 1)
    assert not path.exists()
    followed: list[Judged] = []
    assert bring_home(world, followed.append) == 1
    assert (path.exists(), followed[0].correct, bring_home(world)) == (True, 25, 0)


def forged() -> Run:
    return forging.create(forging.order(skill="bin", levels=[1], count=20), by="test")


def test_a_quest_of_a_worker_comes_to_the_inbox_once(world: World, elsewhere: World) -> None:
    run = perform(elsewhere, forged().pk, claim=Claim(3, 0))
    assert run.state == Run.State.COMPLETED
    assert not [*elsewhere.inbox.iterdir(), *elsewhere.uploads.iterdir()]
    (path,) = outbox.bring_home(world)
    assert path.relative_to(world.home).as_posix() == run.results["file"]
    assert (len(path.read_bytes().splitlines()), outbox.bring_home(world)) == (20, [])


def test_a_quest_whose_name_is_taken_gets_a_number(world: World) -> None:
    run = forged()
    (world.inbox / "a.jsonl").write_text("{}")
    Made.objects.create(run=run, path="a.jsonl", packed=gzip.compress(b"{}\n"))
    assert [path.name for path in outbox.bring_home(world)] == ["a-2.jsonl"]


def test_of_a_run_that_was_killed_nothing_comes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    run = forged()
    with monkeypatch.context() as patch:
        patch.setattr(outbox, "ship", lambda *args: kill())
        patch.setattr(runs, "fail", lambda *args: None)  # as kill -9: no word of it
        with pytest.raises(KeyboardInterrupt):
            perform(world, run.pk, claim=Claim(3, 0))
    assert (Run.objects.get().state, Made.objects.count()) == ("running", 0)
    assert perform(world, run.pk, claim=Claim(3, 1)).state == Run.State.COMPLETED
    assert Made.objects.count() == 1


def test_a_run_that_another_attempt_has_is_not_finished_by_the_first(world: World) -> None:
    first = runs.claim(forged().pk, Claim(3, 0))
    runs.claim(first.pk, Claim(3, 1))
    assert not runs.finish(first, {}, message="done")
    assert Run.objects.get().state == Run.State.RUNNING


def test_twin_by_the_number_of_the_process_alone_it_is(world: World) -> None:
    first = runs.claim(forged().pk, Claim(3, 0))
    second = runs.claim(first.pk, Claim(3, 1))
    first.claim = second.claim
    assert runs.finish(first, {}, message="done")


def test_a_workers_run_is_not_dead_because_its_process_is_not_here(world: World) -> None:
    run = runs.claim(forged().pk, Claim(3, 0))
    Run.objects.update(pid=2**22 + 1)
    assert runs.settle_dead() == 0
    with pytest.raises(GuildError, match="only one that waits"):
        runs.claim(run.pk)
    let_go(open_ids=[3])
    assert Run.objects.get().state == Run.State.RUNNING
    let_go(open_ids=[])
    assert Run.objects.get().state == Run.State.FAILED


def test_evaluations_of_a_job_that_is_over_wait_again_until_it_was_tried_too_often(world: World) -> None:
    queued(world, 1)
    EvaluationTask.objects.update(state="answering", claim="7.0", attempts=1)
    let_go(open_ids=[7])
    assert only_task().state == "answering"
    let_go(open_ids=[])
    assert (only_task().state, only_task().claim) == ("waiting", "")
    EvaluationTask.objects.update(state="answering", claim="8.0", attempts=evaluation_queue.MOST_ATTEMPTS)
    let_go(open_ids=[])
    assert only_task().state == "failed"
