"""Every checkpoint is evaluated exactly once for each level, whoever dies meanwhile."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Self

import pytest

from guild.errors import TrainerUnavailable
from guild.evaluation import answers as answer_records
from guild.evaluation import host as evaluation_host
from guild.evaluation import queue as evaluation_queue
from guild.evaluation.answers import AnswerRecord
from guild.evaluation.judging import Judged, Verdict, judge_answers
from guild.evaluation.queue import LOCK_FILE, MOST_ATTEMPTS, Report, enqueue, process, recover, take_answers
from guild.evaluation.sets import ensure_evaluation_set, read_evaluation_set
from guild.models import Evaluation, EvaluationTask, SkillProgress
from guild.skills.registry import get_skill
from guild.trainers.problems import Problem
from realm.checkpoints.sidecar import SIDECAR
from realm.hosts import Host
from realm.oracle.sync_client import LoadedModel, NotLoaded
from realm.world import World
from tests.support.fake_host import FakeHost

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("skills_folder")]

HERO = "DIO"
HOSTS = [Host(id="lab", name="lab", url="http://127.0.0.1:1", kind="realm", evaluates=True)]


def name_of(step: int) -> str:
    return f"checkpoint-{step}-20260101-0000"


def saved(world: World, *steps: int) -> None:
    for step in steps:
        folder = world.heroes / HERO / name_of(step)
        folder.mkdir(parents=True)
        (folder / SIDECAR).write_text("{}")


def queued(world: World, *steps: int, level: int = 1) -> None:
    saved(world, *steps)
    for step in steps:
        enqueue(hero=HERO, checkpoint=name_of(step), step=step, skill="bin", level=level)


def problems(world: World, level: int = 1) -> list[Problem]:
    return read_evaluation_set(ensure_evaluation_set(world, get_skill("bin"), level), skill="bin", level=level)


def golden(world: World) -> Callable[[LoadedModel, str], str]:
    known = {problem.prompt: problem.answer for level in (1, 2, 3) for problem in problems(world, level)}
    return lambda model, prompt: known[prompt]


@pytest.fixture
def host(world: World, monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    """It knows every answer."""
    fake = FakeHost(golden(world))
    monkeypatch.setattr(evaluation_host, "OracleClient", lambda host: fake)
    return fake


def work(world: World, **more: Any) -> Report:
    return process(world, hosts=HOSTS, **more)


def states() -> list[str]:
    return list(EvaluationTask.objects.values_list("state", flat=True))


def only_task() -> EvaluationTask:
    return EvaluationTask.objects.get()


def test_what_waits_is_answered_judged_and_told_once(world: World, host: FakeHost) -> None:
    queued(world, 20, 10)
    told: list[tuple[Judged, Verdict]] = []
    report = work(world, tell=lambda judged, verdict: told.append((judged, verdict)))
    assert (report.done, report.failed, report.waiting, report.troubles) == (2, 0, 0, [])
    rows = [(row.step, row.correct, row.total, row.answered_by) for row in Evaluation.objects.order_by("id")]
    assert rows == [(10, 25, 25, "lab"), (20, 25, 25, "lab")]
    assert [judged.step for judged, _ in told] == [10, 20]
    assert states() == ["done", "done"]
    assert len(host.asked) == 50
    assert host.held == {}
    assert (work(world).done, len(host.asked)) == (0, 50)


def test_three_checkpoints_win_a_level(world: World, host: FakeHost) -> None:
    queued(world, 1, 2, 3)
    work(world)
    assert SkillProgress.objects.get().level == 2


def test_nothing_is_queued_twice_or_again(world: World, host: FakeHost) -> None:
    queued(world, 1)
    assert not enqueue(hero=HERO, checkpoint=name_of(1), step=1, skill="bin", level=1)
    work(world)
    EvaluationTask.objects.all().delete()
    assert not enqueue(hero=HERO, checkpoint=name_of(1), step=1, skill="bin", level=1)
    assert enqueue(hero=HERO, checkpoint=name_of(1), step=1, skill="bin", level=2)


def test_a_limit_leaves_the_rest_for_another_time(world: World, host: FakeHost) -> None:
    queued(world, 1, 2, 3)
    report = work(world, limit=2)
    assert (report.done, report.waiting) == (2, 1)
    assert Evaluation.objects.filter(step=3).count() == 0


def test_a_dead_host_costs_no_attempt(world: World, host: FakeHost) -> None:
    queued(world, 1)
    host.down = True
    report = work(world)
    assert (report.done, report.waiting) == (0, 1)
    assert report.troubles == ["Nobody answers at http://127.0.0.1:1. Start it."]
    assert only_task().attempts == 0
    host.down = False
    assert work(world).done == 1


def test_the_second_host_is_asked_when_the_first_is_down(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    dead, alive = FakeHost(golden(world)), FakeHost(golden(world))
    dead.down = True
    monkeypatch.setattr(evaluation_host, "OracleClient", lambda host: dead if host.id == "lab" else alive)
    queued(world, 1)
    report = process(world, hosts=[*HOSTS, replace(HOSTS[0], id="attic", name="attic")])
    assert (report.done, Evaluation.objects.get().answered_by) == (1, "attic")


def test_without_hosts_everything_waits(world: World) -> None:
    queued(world, 1)
    report = process(world, hosts=[])
    assert (report.done, report.waiting, only_task().attempts) == (0, 1, 0)


def test_a_host_that_dies_while_it_answers_is_asked_again_later(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    class Dying(FakeHost):
        def answer(self, *args: Any, **more: Any) -> list[str]:
            self.down = True
            return super().answer(*args, **more)

    fake = Dying(golden(world))
    monkeypatch.setattr(evaluation_host, "OracleClient", lambda host: fake)
    queued(world, 1, 2)
    report = work(world)
    assert (report.done, report.waiting) == (0, 2)
    assert list(EvaluationTask.objects.values_list("attempts", flat=True)) == [1, 0]


def test_a_checkpoint_that_was_deleted_has_failed_with_its_reason(world: World, host: FakeHost) -> None:
    queued(world, 1, 2)
    shutil.rmtree(world.heroes / HERO / name_of(1))
    report = work(world)
    assert (report.done, report.failed) == (1, 1)
    task = EvaluationTask.objects.get(step=1)
    assert (task.state, task.reason) == ("failed", f"{name_of(1)} was deleted before its turn to be evaluated came")


def test_a_damaged_checkpoint_has_failed_with_its_reason(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeHost(golden(world), damaged=[name_of(1)])
    monkeypatch.setattr(evaluation_host, "OracleClient", lambda host: fake)
    queued(world, 1, 2)
    report = work(world)
    assert (report.done, report.failed) == (1, 1)
    assert "has changed since it was saved" in EvaluationTask.objects.get(step=1).reason


def test_what_a_host_refuses_again_and_again_has_failed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing(FakeHost):
        def load(self, **named: Any) -> LoadedModel:
            raise NotLoaded("Step 1 not loaded. Available: [7]", [7])

    fake = Refusing(golden(world))
    monkeypatch.setattr(evaluation_host, "OracleClient", lambda host: fake)
    queued(world, 1)
    assert [work(world).failed for _ in range(MOST_ATTEMPTS)] == [0] * (MOST_ATTEMPTS - 1) + [1]
    assert only_task().reason == f"given up after {MOST_ATTEMPTS} attempts: Step 1 not loaded. Available: [7]"


def test_what_a_killed_process_had_claimed_is_taken_up_again(world: World, host: FakeHost) -> None:
    queued(world, 1)
    EvaluationTask.objects.update(state="answering", attempts=1, host="lab")
    assert work(world).done == 1


def test_twin_while_somebody_is_at_work_his_claims_are_left_alone(world: World, host: FakeHost) -> None:
    """Without the lock that a killed process loses, nobody could tell the two apart."""
    queued(world, 1)
    EvaluationTask.objects.update(state="answering", attempts=1, host="lab")
    handle = os.open(world.control / LOCK_FILE, os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
        assert work(world).done == 0
        assert states() == ["answering"]
    finally:
        os.close(handle)
    assert work(world).done == 1


def kill(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("place", ["count_correct", "remember"])
def test_killed_after_the_answers_came_nobody_is_asked_again(
    world: World, host: FakeHost, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    queued(world, 1)
    with monkeypatch.context() as patch:
        patch.setattr(evaluation_queue, place, lambda *args, **more: kill())
        with pytest.raises(KeyboardInterrupt):
            work(world)
    assert not Evaluation.objects.exists()
    assert (work(world).done, len(host.asked)) == (1, 25)


class Nosy(FakeHost):
    """While it answers, a second process looks at the queue."""

    def __init__(self, world: World) -> None:
        super().__init__(golden(world))
        self._world, self._nested = world, False

    def __enter__(self) -> Self:
        return self

    def answer(self, *args: Any, **more: Any) -> list[str]:
        if not self._nested:
            self._nested = True
            work(self._world)
        return super().answer(*args, **more)


def test_of_two_at_once_one_has_the_task(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    nosy = Nosy(world)
    monkeypatch.setattr(evaluation_host, "OracleClient", lambda host: nosy)
    queued(world, 1)
    assert work(world).done == 1
    assert len(nosy.asked) == 25


def test_twin_without_a_claim_both_ask(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    nosy = Nosy(world)
    monkeypatch.setattr(evaluation_host, "OracleClient", lambda host: nosy)
    monkeypatch.setattr(evaluation_queue, "_claim", lambda task, share: True)
    monkeypatch.setattr(evaluation_queue, "_waiting", lambda limit, share: list(EvaluationTask.objects.all()))
    queued(world, 1)
    work(world)
    assert len(nosy.asked) == 50
    assert Evaluation.objects.count() == 1


def test_the_same_answers_twice_are_one_evaluation(world: World, host: FakeHost) -> None:
    queued(world, 1)
    work(world)
    wrong = ["?"] * 25
    verdict = judge_answers(hero=HERO, checkpoint=name_of(1), step=1, skill="bin", level=1, answers=wrong, world=world)
    assert (verdict.correct, verdict.evaluation_id) == (25, None)
    assert Evaluation.objects.count() == 1


def record(world: World, step: int = 1) -> AnswerRecord:
    answers = tuple(problem.answer for problem in problems(world))
    return AnswerRecord(
        hero=HERO, checkpoint=name_of(step), step=step, skill="bin", level=1, answers=answers, answered_by="trainer"
    )  # fmt: skip


def test_answers_wait_for_a_judge_who_is_down(world: World, host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    take_answers(world, record(world))
    take_answers(world, record(world))

    def down(*args: Any, **more: Any) -> Any:
        raise TrainerUnavailable("skill bin: nobody answers at http://127.0.0.1:8090")

    with monkeypatch.context() as patch:
        patch.setattr(evaluation_queue, "count_correct", down)
        report = process(world, hosts=[])
    assert (report.done, report.waiting, only_task().attempts) == (0, 1, 0)
    assert only_task().reason == "skill bin: nobody answers at http://127.0.0.1:8090"
    assert process(world, hosts=[]).done == 1
    row = Evaluation.objects.get()
    assert (row.correct, row.answered_by, host.asked) == (25, "trainer", [])


def lose_database() -> None:
    Evaluation.objects.all().delete()
    EvaluationTask.objects.all().delete()
    SkillProgress.objects.all().delete()


def test_a_lost_database_has_its_evaluations_again(world: World, host: FakeHost) -> None:
    queued(world, 1, 2, 3)
    work(world)
    take_answers(world, record(world, step=4))
    before = list(Evaluation.objects.values_list("checkpoint", "correct", "total", "answered_by", "evaluated_at"))
    lose_database()
    told: list[int] = []
    recover(world, lambda judged, verdict: told.append(judged.step))
    after = list(Evaluation.objects.values_list("checkpoint", "correct", "total", "answered_by", "evaluated_at"))
    assert after == before
    assert told == [1, 2, 3]
    assert SkillProgress.objects.get().level == 2
    assert (only_task().step, only_task().state) == (4, "waiting")
    recover(world, lambda judged, verdict: told.append(judged.step))
    assert told == [1, 2, 3]


def test_twin_without_the_files_a_lost_database_has_none(world: World, host: FakeHost) -> None:
    queued(world, 1)
    work(world)
    lose_database()
    shutil.rmtree(world.evaluation / "answers")
    recover(world)
    assert not Evaluation.objects.exists()


def test_a_record_that_cannot_be_read_is_passed_over(world: World, host: FakeHost) -> None:
    queued(world, 1)
    work(world)
    lose_database()
    path = answer_records.path_of(world, HERO, name_of(1), "bin", 1)
    path.write_text("{")
    recover(world)
    assert not Evaluation.objects.exists()
    enqueue(hero=HERO, checkpoint=name_of(1), step=1, skill="bin", level=1)
    assert work(world).done == 1


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden", "a.b"])
def test_names_that_lead_elsewhere_are_no_files(world: World, name: str) -> None:
    with pytest.raises(ValueError, match="is no name for a file"):
        answer_records.path_of(world, HERO, name, "bin", 1)
