"""Evaluations in the daemon: by whom, queued when, told how, and there again after a lost database."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from arena.daemon import evaluations, events, recovery
from arena.daemon.loop import ArenaDaemon
from arena.models import ChronicleEntry
from arena.protocol import EventKind, Order
from guild.errors import TrainerUnavailable
from guild.evaluation import host as evaluation_host
from guild.evaluation import queue as evaluation_queue
from guild.evaluation.sets import ensure_evaluation_set, read_evaluation_set
from guild.models import Evaluation, EvaluationTask, SkillProgress
from guild.skills.registry import get_skill, get_trainer
from realm.config import config_file
from realm.disk import durable
from realm.hosts import Host
from realm.world import World
from tests.arena.daemon.test_loop import clock, drop, open_daemon, settle, told, trainer
from tests.arena.daemon.test_recovery import lose_database
from tests.support.fake_host import FakeHost
from tests.support.fake_trainer import FakeTrainer

__all__ = ["clock", "open_daemon", "trainer"]  # fixtures

pytestmark = pytest.mark.django_db(transaction=True)
Opener = Callable[..., ArenaDaemon]
HOSTS = [Host(id="lab", name="lab", url="http://127.0.0.1:1", kind="realm", evaluates=True)]


def fight(world: World, daemon: ArenaDaemon, trainer: FakeTrainer, name: str = "a.jsonl") -> Order:
    drop(world, name)
    settle(daemon)
    trainer.begin()
    settle(daemon)
    return trainer.orders[-1]


def golden(world: World, level: int = 1) -> list[str]:
    path = ensure_evaluation_set(world, get_skill("bin"), level)
    return [problem.answer for problem in read_evaluation_set(path, skill="bin", level=level)]


def answer(trainer: FakeTrainer, step: int, answers: list[str], checkpoint: str | None = None) -> None:
    """As the trainer does: a file, then the event."""
    name = checkpoint or f"checkpoint-{step}-20260101-0000"
    folder = Path(trainer.orders[-1].battle_folder) / "answers"
    folder.mkdir(exist_ok=True)
    durable.write_json(folder / f"{name}.bin-1.json", answers)
    trainer.say(
        EventKind.ANSWERED, step=step, checkpoint=name, skill="bin", level=1,
        file=f"answers/{name}.bin-1.json", seconds=0.5,
    )  # fmt: skip


@pytest.fixture
def host(world: World, monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    """It answers everything wrong."""
    fake = FakeHost(lambda model, prompt: "?")
    monkeypatch.setattr(evaluation_host, "OracleClient", lambda host: fake)
    return fake


def process(world: World) -> evaluation_queue.Report:
    return evaluation_queue.process(world, hosts=HOSTS, tell=evaluations.tell)


def test_without_a_host_the_trainer_answers(world: World, trainer: FakeTrainer, open_daemon: Opener) -> None:
    daemon = open_daemon()
    order = fight(world, daemon, trainer)
    assert (order.evaluated_by, [asked.level for asked in order.evaluation_sets]) == ("trainer", [1])
    trainer.save(1)
    answer(trainer, 1, golden(world))
    settle(daemon)
    assert not EvaluationTask.objects.exists()
    row = Evaluation.objects.get()
    assert (row.correct, row.answered_by, row.seconds) == (25, "trainer", 0.5)


def test_with_a_host_checkpoints_are_queued_and_the_trainer_is_not_asked(
    world: World, trainer: FakeTrainer, open_daemon: Opener, host: FakeHost
) -> None:
    daemon = open_daemon()
    daemon._hosts.answers = True
    order = fight(world, daemon, trainer)
    assert (order.evaluated_by, order.evaluation_sets) == ("queue", ())
    name = trainer.save(1)
    settle(daemon)
    assert list(EvaluationTask.objects.values_list("checkpoint", "skill", "level", "state")) == [
        (name, "bin", 1, "waiting")
    ]
    assert process(world).done == 1
    entry = ChronicleEntry.objects.get(kind="evaluated")
    assert (entry.step, entry.data["answered_by"], entry.data["correct"]) == (1, "lab", 0)


def test_what_is_queued_and_what_is_evaluated_is_there_again_after_a_lost_database(
    world: World, trainer: FakeTrainer, open_daemon: Opener, host: FakeHost
) -> None:
    daemon = open_daemon()
    daemon._hosts.answers = True
    fight(world, daemon, trainer)
    trainer.save(1)
    settle(daemon)
    process(world)
    trainer.save(2)
    settle(daemon)
    lose_database()
    for model in (Evaluation, EvaluationTask, SkillProgress):
        model.objects.all().delete()
    recovery.bring_into_line(world)
    assert list(Evaluation.objects.values_list("step", "correct", "answered_by")) == [(1, 0, "lab")]
    states = dict(EvaluationTask.objects.values_list("step", "state"))
    assert states == {1: "done", 2: "waiting"}
    assert ChronicleEntry.objects.filter(kind="evaluated").count() == 1


def test_twin_without_the_events_consequence_nothing_is_queued(
    world: World, trainer: FakeTrainer, open_daemon: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "_enqueue_evaluation", lambda *args: None)
    daemon = open_daemon()
    daemon._hosts.answers = True
    fight(world, daemon, trainer)
    trainer.save(1)
    settle(daemon)
    assert not EvaluationTask.objects.exists()


def test_a_remote_trainer_judges_through_the_queue_and_never_in_a_tick(
    world: World, trainer: FakeTrainer, open_daemon: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = open_daemon()
    fight(world, daemon, trainer)
    right = golden(world)
    bin_trainer = get_trainer("bin")
    monkeypatch.setattr(bin_trainer, "is_remote", True, raising=False)

    def never(*args: Any, **named: Any) -> Any:
        raise AssertionError("a remote trainer was asked in a tick")

    with monkeypatch.context() as patch:
        patch.setattr(bin_trainer, "judge_all", never)
        patch.setattr(bin_trainer, "sample", never)
        trainer.save(1)
        answer(trainer, 1, right)
        settle(daemon)
        lose_database()
        EvaluationTask.objects.all().delete()
        recovery.bring_into_line(world)
    assert list(EvaluationTask.objects.values_list("step", "state")) == [(1, "waiting")]

    def down(*args: Any, **named: Any) -> Any:
        raise TrainerUnavailable("skill bin: nobody answers")

    with monkeypatch.context() as patch:
        patch.setattr(bin_trainer, "judge_all", down)
        assert evaluation_queue.process(world, hosts=[], tell=evaluations.tell).waiting == 1
    assert evaluation_queue.process(world, hosts=[], tell=evaluations.tell).done == 1
    assert Evaluation.objects.get().correct == 25
    assert "evaluated" in told()


def test_levels_won_lost_and_regained_are_told_once(world: World, trainer: FakeTrainer, open_daemon: Opener) -> None:
    daemon = open_daemon()
    fight(world, daemon, trainer)
    right = golden(world)
    for step, answers in enumerate([right] * 3 + [[""] * 25] * 3 + [right] * 3, start=1):
        answer(trainer, step, answers)
    settle(daemon)
    kinds = ("skill_level_up", "skill_level_lost", "skill_level_regained")
    rows = ChronicleEntry.objects.filter(kind__in=kinds).order_by("id")
    assert [(row.kind, row.step, row.message) for row in rows] == [
        ("skill_level_up", 3, "BIN level 1 is won, level 2 begins"),
        ("skill_level_lost", 5, "BIN level 1 is lost again: 2 times in a row under 60%; it will be rehearsed"),
        ("skill_level_regained", 8, "BIN level 1 is regained"),
    ]
    lost = rows.get(kind="skill_level_lost")
    assert {"skill": "bin", "level": 1, "before": 1.0, "after": 0.0}.items() <= lost.data.items()


def test_changed_settings_hold_from_the_next_battle_on(world: World, trainer: FakeTrainer, open_daemon: Opener) -> None:
    daemon = open_daemon()
    daemon.settings.load = lambda: replace(daemon.settings.config, curriculum={"bin": {"priority": 0}})
    assert fight(world, daemon, trainer).evaluation_sets == ()
    assert "settings_refused" not in told()


def test_a_curriculum_that_cannot_be_is_told_and_the_old_one_stays(
    world: World, trainer: FakeTrainer, open_daemon: Opener
) -> None:
    daemon = open_daemon()
    daemon.settings.load = lambda: replace(daemon.settings.config, curriculum={"bin": {"priority": -1}})
    order = fight(world, daemon, trainer)
    assert [asked.skill for asked in order.evaluation_sets] == ["bin"]
    refused = ChronicleEntry.objects.get(kind="settings_refused")
    assert "curriculum: bin: priority: -1 is not allowed; allowed are 0 to 1000" in refused.message


def test_the_command_lists_and_processes(
    world: World, trainer: FakeTrainer, open_daemon: Opener, host: FakeHost, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon = open_daemon()
    daemon._hosts.answers = True
    fight(world, daemon, trainer)
    name = trainer.save(1)
    settle(daemon)
    (world.status / "sparring.json").unlink(missing_ok=True)
    call_command("evaluate", "--list")
    assert name in capsys.readouterr().out
    (world.home / "hosts.yaml").write_text(json.dumps({"local": {"kind": "realm", "evaluates": True}}))
    call_command("evaluate", "--once")
    assert capsys.readouterr().out == "1 evaluated, 0 failed, 0 waiting\n"
    assert (world.status / "sparring.json").exists(), "a sparring's gain is told by evaluations"
    call_command("evaluate", "--list")
    assert capsys.readouterr().out == "No checkpoint waits to be evaluated.\n"
    assert not config_file(world).exists()
