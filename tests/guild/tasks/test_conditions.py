"""What the background tasks wait for."""

from __future__ import annotations

import json
import os
import subprocess
import time
from typing import Any

import psutil
import pytest

from guild.evaluation import answers
from guild.evaluation.set_making import make_missing_sets
from guild.models import EvaluationTask
from guild.tasks import conditions
from guild.tasks.conditions import Answer, Hosts, View, why_not
from guild.tasks.load import Arena, Load, LoadMeter, gpu_of, own_seconds, read_arena, seconds_of
from guild.tasks.task_settings import Rules
from realm.config import RealmConfig
from realm.machine.machine import Gpu, Machine
from realm.world import World
from tests.support.checkpoints import make_checkpoint

pytestmark = pytest.mark.django_db

IDLE_CPU = Load(cpu_percent=10.0)


def a_view(world: World, **changes: Any) -> View:
    config = changes.pop("config", RealmConfig())
    answer = changes.pop("answer", Answer(device="cpu"))
    told: dict[str, Any] = {
        "rules": Rules(),
        "load": IDLE_CPU,
        "arena": Arena(state="idle"),
        "hosts": Hosts(world, config, ask=lambda host: answer),
        "now": 0.0,
    }
    return View(world=world, config=config, **(told | changes))


def why(name: str, view: View) -> str:
    return why_not([name], view)


@pytest.mark.parametrize(
    ("load", "state", "sentence"),
    [
        (IDLE_CPU, "idle", ""),
        (IDLE_CPU, "training", "a battle is fought on this machine, which has no GPU to spare"),
        (IDLE_CPU, "preparing", "a battle is fought on this machine, which has no GPU to spare"),
        (IDLE_CPU, "paused", ""),
        (Load(cpu_percent=40.0), "idle", "the processors are used to 40% by others, idle is below 40%"),
        (Load(cpu_percent=39.9), "idle", ""),
        (Load(cpu_percent=None), "idle", "the load of the processors is not known yet"),
        (Load(cpu_percent=99.0, gpu_percents=(10.0,)), "training", ""),
        (Load(cpu_percent=1.0, gpu_percents=(10.0, 40.0)), "idle", "GPU 1 is used to 40%, idle is below 40%"),
        (Load(cpu_percent=1.0, gpu_percents=(None,)), "idle", ""),
        (
            Load(cpu_percent=1.0, gpu_percents=(None,)),
            "training",
            "a battle is fought, and GPU 0 does not tell its use",
        ),
    ],
)
def test_a_machine_is_idle_by_its_gpus_or_else_by_its_processors(
    world: World, load: Load, state: str, sentence: str
) -> None:
    assert why("idle", a_view(world, load=load, arena=Arena(state=state))) == sentence


def test_the_limit_is_a_setting(world: World) -> None:
    assert why("idle", a_view(world, rules=Rules(idle_percent=5)))


def test_a_host_on_this_machine_waits_for_its_own_device(world: World) -> None:
    load = Load(cpu_percent=5.0, gpu_percents=(90.0, 5.0))
    assert why("oracle", a_view(world, load=load, answer=Answer(device="cuda:1"))) == ""
    assert why("oracle", a_view(world, load=load, answer=Answer(device="cuda:0"))).startswith("GPU 0 is used to 90%")
    assert why("oracle", a_view(world, load=load, answer=Answer(trouble="nobody answers"))) == "nobody answers"
    assert why("oracle", a_view(world, arena=Arena(state="training"))).startswith("a battle is fought")
    assert why("oracle_answers", a_view(world, arena=Arena(state="training"))) == ""


def test_a_host_elsewhere_does_not_wait_for_this_machine(world: World) -> None:
    (world.home / "hosts.yaml").write_text(
        "local: null\nfar: {kind: realm, url: 'http://10.1.2.3:8765', evaluates: true, trainer_local: false}\n"
    )
    view = a_view(world, arena=Arena(state="training"))
    assert why("oracle", view) == why("evaluator", view) == ""


def elsewhere(world: World, answer: Answer) -> str:
    """Why its task does not run, asked by a machine that trains."""
    (world.home / "hosts.yaml").write_text(
        "local: null\nfar: {kind: realm, url: 'http://10.1.2.3:8765', evaluates: true, trainer_local: false}\n"
    )
    return why("evaluator", a_view(world, arena=Arena(state="training"), answer=answer))


def a_machine(*uses: float | None) -> Machine:
    return Machine(time=0.0, gpus=tuple(Gpu(index=at, use_percent=use) for at, use in enumerate(uses)))


def test_a_host_elsewhere_waits_for_the_gpu_that_it_answers_with(world: World) -> None:
    busy = "GPU 1 of far is used to 90%, idle is below 40%"
    assert elsewhere(world, Answer(device="cuda:1", machine=a_machine(5.0, 90.0))) == busy
    assert elsewhere(world, Answer(device="cuda:0", machine=a_machine(5.0, 90.0))) == ""
    assert elsewhere(world, Answer(machine=a_machine(5.0, 90.0))) == busy, "it has not loaded a model yet"
    assert elsewhere(world, Answer(device="cpu", machine=a_machine(90.0))) == ""
    assert elsewhere(world, Answer(trouble="nobody answers", machine=a_machine(90.0))) == "nobody answers"


@pytest.mark.parametrize("machine", [None, Machine(time=0.0), a_machine(), a_machine(None)])
def test_what_a_host_elsewhere_does_not_tell_stops_nothing(world: World, machine: Machine | None) -> None:
    assert elsewhere(world, Answer(device="cuda:0", machine=machine)) == ""


def test_twin_without_asking_for_its_gpu_a_busy_host_elsewhere_is_given_work(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conditions, "_busy_elsewhere", lambda view, host, said: "")
    assert elsewhere(world, Answer(device="cuda:1", machine=a_machine(5.0, 90.0))) == ""


def test_a_busy_machine_does_not_even_ask_its_host(world: World) -> None:
    def ask(host: object) -> Answer:
        raise AssertionError("it was asked")

    hosts = Hosts(world, RealmConfig(), ask=ask)
    assert why("oracle", a_view(world, hosts=hosts, arena=Arena(state="training")))


def test_a_host_is_asked_only_now_and_then(world: World) -> None:
    asked: list[float] = []

    def ask(host: object) -> Answer:
        asked.append(1)
        return Answer()

    hosts = Hosts(world, RealmConfig(), ask=ask)
    for now in (0.0, 1.0, 29.0, 30.0, 31.0):
        why("oracle", a_view(world, hosts=hosts, now=now))
    assert len(asked) == 2
    why("oracle", a_view(world, hosts=hosts, now=-1000.0))  # a clock that was set back
    assert len(asked) == 3


def test_a_host_that_nobody_serves_is_told(world: World) -> None:
    config = RealmConfig(oracle_port=1)
    assert "Nobody answers" in why("oracle", a_view(world, hosts=Hosts(world, config)))


def test_broken_hosts_are_a_sentence(world: World) -> None:
    (world.home / "hosts.yaml").write_text("local: {kind: foreign}")
    assert "hosts.yaml" in why("oracle", a_view(world))
    (world.home / "hosts.yaml").write_text("local: {kind: foreign}\nfar: {kind: realm, evaluates: true}")
    assert "hosts.yaml: local" in why("oracle", a_view(world)), "no other host stands in for the default one"
    (world.home / "hosts.yaml").write_text("far: {kind: foreign}")
    assert why("oracle", a_view(world)) == ""


def test_evaluations_want_a_host_that_evaluates_or_answers_that_wait(world: World) -> None:
    view = a_view(world)
    assert why("evaluations_wait", view) == "no checkpoint waits to be evaluated"
    task = EvaluationTask.objects.create(hero="DIO", checkpoint="c", step=1, skill="bin", level=1)
    assert why("evaluations_wait", view) == ""
    assert why("evaluator", view).startswith("no host may evaluate")
    path = answers.path_of(world, task.hero, task.checkpoint, task.skill, task.level)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{}")
    assert why("evaluator", view) == ""


def test_nobody_spars_in_a_world_at_rest(world: World) -> None:
    assert why("playing", a_view(world, arena=Arena(state="resting"))) == "the arena is resting"
    assert why("playing", a_view(world, arena=Arena(state="paused"))) == "the arena is paused"
    assert why("playing", a_view(world, config=RealmConfig(autoplay=False))) == "auto-play is off"
    assert why("playing", a_view(world, arena=Arena(state="training"))) == ""


def test_a_checkpoint_and_a_waiting_quest_are_seen(world: World) -> None:
    view = a_view(world)
    assert why("checkpoint", view) == "DIO has no checkpoint yet"
    make_checkpoint(world.heroes, 10)
    assert why("checkpoint", view) == ""
    assert why("queue_filled", view) == "no quest waits"
    (world.lane("low") / "q.jsonl").write_text("{}")
    assert why("queue_filled", view) == ""


def test_sets_are_made_once_and_then_none_is_missing(world: World) -> None:
    view, said = a_view(world), list[str]()
    assert why("sets_missing", view) == ""
    made, troubles = make_missing_sets(world, "DIO", tell=said.append)
    assert made == len(said)
    assert troubles == []
    assert said[0] == "bin level 1: its evaluation set is made"  # the hero's own level first
    assert why("sets_missing", view) == "every evaluation and validation set is there"
    assert make_missing_sets(world, "DIO", tell=said.append) == (0, [])


def test_the_arena_counts_as_offline_when_it_is_silent(world: World) -> None:
    assert read_arena(world, 0.0).state == "offline"
    file = world.status / "arena.json"
    file.write_text(json.dumps({"time": 100.0, "state": "training"}))
    assert read_arena(world, 110.0).trains
    assert read_arena(world, 200.0).state == "offline"
    file.write_text('{"time": "x"}')
    assert read_arena(world, 100.0).state == "offline"


def test_the_meter_counts_what_others_do_over_its_window(monkeypatch: pytest.MonkeyPatch) -> None:
    told = iter([(0.0, 0.0), (15.0, 20.0), (15.0, 40.0)])
    own = iter([0.0, 5.0, 5.0])
    monkeypatch.setattr("guild.tasks.load.own_seconds", lambda processes: next(own))
    gpus = iter([(10.0, None), (50.0, None), (60.0, None)])
    meter = LoadMeter(cpu=lambda: next(told), gpus=lambda: next(gpus))
    assert meter.look(0.0, []).cpu_percent is None
    assert meter.look(10.0, []).cpu_percent == 50.0
    last = meter.look(20.0, [])
    assert last.cpu_percent == 25.0
    assert last.gpu_percents == (40.0, None)


def test_its_own_seconds_are_those_of_this_process_and_all_below() -> None:
    before = seconds_of([psutil.Process()])
    end = time.process_time() + 0.2
    while time.process_time() < end:
        pass
    assert seconds_of([psutil.Process()]) - before >= 0.1
    assert seconds_of([]) == 0.0


def counted(monkeypatch: pytest.MonkeyPatch, tasks: list[psutil.Process]) -> float:
    """Where each process has used one second, how many this one and one task below it have."""
    monkeypatch.setattr("guild.tasks.load._seconds", lambda process: 1.0)
    mine = os.times()
    return round(own_seconds(tasks) - mine.user - mine.system)


def test_a_task_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen(["sleep", "600"]) as child:
        try:
            assert counted(monkeypatch, [psutil.Process(child.pid)]) == 1
            # The twin: with this process as a root of its own, as it once was, what is below it counts again.
            assert counted(monkeypatch, [psutil.Process(), psutil.Process(child.pid)]) >= 3
        finally:
            child.kill()


def test_a_task_that_ended_does_not_make_others_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    told, own = iter([(0.0, 0.0), (10.0, 20.0)]), iter([100.0, 1.0])
    monkeypatch.setattr("guild.tasks.load.own_seconds", lambda processes: next(own))
    meter = LoadMeter(cpu=lambda: next(told), gpus=lambda: ())
    meter.look(0.0, [])
    assert meter.look(1.0, []).cpu_percent == 50.0


@pytest.mark.parametrize(
    ("device", "visible", "number"),
    [("cpu", "", None), ("cuda", "", 0), ("cuda:1", "", 1), ("cuda:1", "3,5", 5), ("cuda:x", "", None),
     ("cuda:0", "GPU-abc", 0), ("mps", "", None), ("", "", None)],
)  # fmt: skip
def test_the_number_of_a_device(device: str, visible: str, number: int | None) -> None:
    assert gpu_of(device, visible) == number
