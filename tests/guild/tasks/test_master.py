"""The Task Master with small real processes and a clock that the test moves."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from django.utils import timezone

from guild.errors import GuildError
from guild.models import Run
from guild.tasks import by_hand, children, state
from guild.tasks import cooldown as waits
from guild.tasks import master as master_module
from guild.tasks.cooldown import MOST_FALSE_STARTS
from guild.tasks.master import TaskMaster
from guild.tasks.only_master import AnotherMaster, only_master
from guild.tasks.registry import Task
from realm.config import RealmConfig
from realm.databases import database
from realm.disk import durable
from realm.strict import BadConfig
from realm.world import CHECKOUT, World
from tests.support.servers import environment, migrate
from tests.support.task_master import LONG, STUBBORN, Clock, a_master, a_task, finish, until

pytestmark = pytest.mark.django_db

Maker = Callable[..., TaskMaster]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make(world: World, clock: Clock) -> Iterator[Maker]:
    """Task Masters that are ended with the test."""
    made: list[TaskMaster] = []

    def new(*tasks: Task, **changes: Any) -> TaskMaster:
        made.append(a_master(world, tasks, **({"clock": clock} | changes)))
        return made[-1]

    yield new
    for master in made:
        master.end()
    assert not children.find_orphans(world)


def begin(master: TaskMaster) -> list[str]:
    master.tick()
    return master.running


def test_the_most_urgent_goes_first_and_one_at_a_time_for_each_resource(make: Maker) -> None:
    master = make(
        a_task("low", LONG, priority=2),
        a_task("high", LONG, priority=9),
        a_task("other", LONG, priority=1, resource="disk"),
    )
    assert sorted(begin(master)) == ["high", "other"]
    assert sorted(begin(master)) == ["high", "other"]


def test_without_the_order_of_priorities_the_first_in_the_list_would_win(
    make: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sabotage twin of the above."""
    monkeypatch.setattr(TaskMaster, "_urgency", lambda self, task: 0)
    assert begin(make(a_task("low", LONG, priority=2), a_task("high", LONG, priority=9))) == ["low"]


def test_of_equals_the_one_that_waited_longest_goes_first(make: Maker, clock: Clock) -> None:
    master = make(a_task("a"), a_task("b"))
    assert begin(master) == ["a"]
    until(lambda: begin(master) == ["b"])
    finish(master)
    clock.advance(61)
    assert begin(master) == ["a"]


def test_a_task_rests_after_a_run(make: Maker, world: World, clock: Clock) -> None:
    master = make(a_task("one"))
    master.tick()
    finish(master)
    clock.advance(59)
    assert begin(master) == []
    assert told(world)["waits"]["one"]["due_at"] == clock.now + 1
    clock.advance(1)
    assert begin(master) == ["one"]


def test_without_a_cooldown_it_would_begin_at_once(make: Maker, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sabotage twin of the above."""
    monkeypatch.setattr(waits, "_cooled_down", lambda task, known: 0.0)
    master = make(a_task("one"))

    def began_twice() -> bool:
        master.tick()
        return state.read(world).of("one").runs > 1

    until(began_twice)


def test_a_clock_that_was_set_back_does_not_delay_for_ever(make: Maker, clock: Clock) -> None:
    master = make(a_task("one"))
    master.tick()
    finish(master)
    clock.advance(-(10**7))
    assert begin(master) == ["one"]


def test_a_realm_that_was_just_started_is_left_in_peace(make: Maker, world: World, clock: Clock) -> None:
    master = make(a_task("one"), quiet_seconds=30.0)
    assert begin(master) == []
    assert told(world)["waits"]["one"] == {"why": "the realm has just been started", "due_at": clock.now + 30}
    clock.advance(-1000)
    assert begin(master) == ["one"]
    finish(master)
    later = make(a_task("two"), quiet_seconds=30.0)
    clock.advance(30)
    assert begin(later) == ["two"]


def test_what_is_switched_off_or_not_met_does_not_begin(make: Maker, world: World) -> None:
    master = make(a_task("off", enabled=False), a_task("unmet", conditions=("checkpoint",)))
    assert begin(master) == []
    waits = told(world)["waits"]
    assert waits["off"]["why"] == "switched off"
    assert waits["unmet"]["why"] == "DIO has no checkpoint yet"


def test_a_broken_task_is_told_with_its_last_lines_and_tried_ever_more_slowly(
    make: Maker, world: World, clock: Clock
) -> None:
    code = "import sys; print('first', flush=True); print('it cannot be', file=sys.stderr); sys.exit(3)"
    master = make(a_task("broken", code, cooldown_seconds=1))
    for failures, pause in ((1, 30), (2, 60), (3, 120)):
        master.tick()
        finish(master)
        known = state.read(world).of("broken")
        assert (known.failures, known.running) == (failures, None)
        assert known.last is not None
        assert (known.last.outcome, known.last.exit_code) == ("failed", 3)
        assert known.last.said == "first\nit cannot be"
        clock.advance(pause - 1)
        assert begin(master) == []
        clock.advance(1)


def test_success_ends_the_backing_off(make: Maker, world: World, clock: Clock, tmp_path: Path) -> None:
    flag = tmp_path / "works"
    code = f"import os, sys; sys.exit(not os.path.exists({str(flag)!r}))"
    master = make(a_task("moody", code, cooldown_seconds=1))
    master.tick()
    finish(master)
    flag.touch()
    clock.advance(30)
    master.tick()
    finish(master)
    assert state.read(world).of("moody").failures == 0
    clock.advance(1)
    assert begin(master) == ["moody"]


def test_a_program_that_does_not_exist_is_a_failure_and_no_fault_of_the_master(make: Maker, world: World) -> None:
    master = make(dataclasses.replace(a_task("ghost"), argv=("/nowhere/at-all",)))
    assert begin(master) == []
    last = state.read(world).of("ghost").last
    assert last is not None
    assert last.outcome == "failed"
    assert "/nowhere/at-all" in last.said


def test_who_takes_too_long_is_asked_to_end(make: Maker, world: World, clock: Clock) -> None:
    master = make(a_task("slow", LONG, timeout_seconds=100))
    master.tick()
    clock.advance(101)
    finish(master)
    known = state.read(world).of("slow")
    assert known.last is not None
    assert (known.last.outcome, known.last.exit_code, known.failures) == ("timeout", -signal.SIGTERM, 1)


def test_who_does_not_end_is_killed_after_the_grace(make: Maker, world: World, clock: Clock) -> None:
    master = make(a_task("stubborn", STUBBORN, timeout_seconds=100))
    master.tick()
    log = children.log_path(world, "stubborn")
    until(lambda: log.exists() and "ready" in log.read_text())
    clock.advance(101)
    master.tick()
    assert master.running == ["stubborn"]
    clock.advance(children.GRACE_SECONDS)
    finish(master)
    last = state.read(world).of("stubborn").last
    assert last is not None
    assert (last.outcome, last.exit_code) == ("timeout", -signal.SIGKILL)


def test_without_the_kill_it_would_run_for_ever(
    make: Maker, world: World, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sabotage twin of the above."""
    with monkeypatch.context() as patched:
        patched.setattr(TaskMaster, "_end_overdue", lambda self, running: None)
        master = make(a_task("stubborn", STUBBORN, timeout_seconds=100))
        master.tick()
        log = children.log_path(world, "stubborn")
        until(lambda: log.exists() and "ready" in log.read_text())
        clock.advance(101)
        for _ in range(5):
            master.tick()
            clock.advance(1000)
        assert master.running == ["stubborn"]
    clock.advance(1000)
    finish(master)


def test_what_a_task_leaves_behind_in_its_group_ends_with_it(make: Maker, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = (
        "import subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-S', '-c', {LONG!r}])\n"
        f"open({str(note)!r}, 'w').write(str(child.pid))\n"
    )
    master = make(a_task("untidy", code))
    master.tick()
    finish(master)
    pid = int(note.read_text())
    until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)


def test_the_end_of_the_master_ends_its_tasks_and_tells(make: Maker, world: World) -> None:
    master = make(a_task("long", LONG))
    master.tick()
    (pid,) = [running["pid"] for running in told(world)["running"]]
    master.end()
    assert not psutil.pid_exists(pid)
    known = state.read(world).of("long")
    assert known.last is not None
    assert (known.last.outcome, known.failures) == ("stopped", 0)
    assert told(world)["state"] == "offline"


def test_a_resource_that_somebody_took_by_hand_is_left_alone(make: Maker, world: World) -> None:
    master = make(a_task("one", LONG))
    with children.resource_lock(world, "cpu") as lock:
        assert lock is not None
        assert begin(master) == []
        assert "started by hand" in told(world)["waits"]["one"]["why"]
    assert begin(master) == ["one"]


def test_the_child_itself_holds_the_lock(make: Maker, world: World) -> None:
    """So that another process, or the next Task Master, finds it taken for as long as the task lives."""
    master = make(a_task("one", LONG))
    assert not children.is_taken(world, "cpu")
    master.tick()
    assert children.is_taken(world, "cpu")
    master.end()
    assert not children.is_taken(world, "cpu")


def test_by_hand_never_beside_another(make: Maker, world: World) -> None:
    master = make(a_task("one", LONG))
    master.tick()
    with pytest.raises(GuildError, match="cpu is taken by another task"):
        by_hand.run_now(world, a_task("two"))
    master.end()
    assert by_hand.run_now(world, a_task("two", "import sys; sys.exit(7)")) == 7
    last = state.read(world).of("two").last
    assert last is not None
    assert (last.by, last.exit_code, last.outcome) == ("command line", 7, "failed")


def test_by_hand_ends_what_takes_too_long(world: World) -> None:
    assert by_hand.run_now(world, a_task("slow", LONG, timeout_seconds=0.2)) == -signal.SIGTERM
    last = state.read(world).of("slow").last
    assert last is not None
    assert last.outcome == "timeout"


@pytest.mark.parametrize("damage", [b"", b"{", b"[1]", b'{"tasks": {"one": {"runs": "many"}}}', b"\xff" * 40])
def test_a_damaged_state_is_put_aside_and_begun_anew(make: Maker, world: World, damage: bytes) -> None:
    path = world.status / state.STATE_FILE
    path.write_bytes(damage)
    master = make(a_task("one"))
    master.begin()
    master.tick()
    finish(master)
    assert state.read(world).of("one").runs == 1
    (aside,) = world.status.glob(f"{state.STATE_FILE}.damaged-*")
    assert aside.read_bytes() == damage


def test_a_full_disk_stops_neither_the_tasks_nor_the_care_for_them(
    make: Maker, world: World, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    master = make(a_task("one", LONG, timeout_seconds=100))
    write_json = durable.write_json

    def full(path: Path, *rest: Any, **more: Any) -> None:
        if path.name == state.STATE_FILE:
            raise OSError(28, "No space left on device")
        write_json(path, *rest, **more)

    monkeypatch.setattr(durable, "write_json", full)
    assert begin(master) == ["one"]
    assert "No space left" in told(world)["trouble"]
    clock.advance(101)
    finish(master)
    monkeypatch.undo()
    master.tick()
    known = state.read(world).of("one")
    assert (known.runs, known.last and known.last.outcome) == (1, "timeout")
    assert told(world)["trouble"] == ""


def test_changed_settings_are_in_force_at_once_and_broken_ones_are_told(make: Maker, world: World) -> None:
    answers: list[RealmConfig | BadConfig] = [
        RealmConfig(tasks={"idle_percent": 7}),
        BadConfig("config.yaml: tasks: unknown key 'x'"),
    ]

    def reload() -> RealmConfig:
        answer = answers.pop(0)
        if isinstance(answer, BadConfig):
            raise answer
        return answer

    master = make(reload_config=reload)
    file = world.home / "config.yaml"
    file.write_text("tasks: {}")
    master.tick()
    assert master.rules.idle_percent == 7
    os.utime(file, ns=(1, 1))
    master.tick()
    assert master.rules.idle_percent == 7
    assert told(world)["trouble"] == "The old settings stay in force: config.yaml: tasks: unknown key 'x'"
    master.tick()
    assert answers == []


def a_run(**changes: Any) -> Run:
    run = Run.objects.create(kind=Run.Kind.FORGE, title="forge it", created_by="test", **changes)
    Run.objects.filter(pk=run.pk).update(created_at=timezone.now() - timedelta(minutes=1))
    return run


def test_what_the_player_asked_for_goes_first_and_waits_for_no_idleness(
    make: Maker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    said = tmp_path / "said"
    stand_in = (sys.executable, "-S", "-c", f"import sys; open({str(said)!r}, 'w').write(' '.join(sys.argv[1:]))")
    monkeypatch.setattr("guild.tasks.registry.MANAGE", stand_in)
    run = a_run()
    master = make(a_task("urgent", LONG, priority=10))
    assert begin(master) == [f"run-{run.pk}"]
    until(lambda: said.exists() and said.read_text() == f"perform {run.pk}")


def test_a_run_that_somebody_performs_already_or_is_about_to_is_left_to_him(make: Maker) -> None:
    a_run(state=Run.State.RUNNING, pid=1)
    a_run(stop_asked=True)
    Run.objects.create(kind=Run.Kind.FORGE, title="just now", created_by="test")
    assert begin(make()) == []


def test_a_run_that_cannot_be_begun_is_not_tried_for_ever(
    make: Maker, world: World, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "guild.tasks.registry.MANAGE", (sys.executable, "-S", "-c", "raise SystemExit('no such thing')")
    )
    name = f"run-{a_run().pk}"
    master = make()
    for _ in range(MOST_FALSE_STARTS):
        assert begin(master) == [name]
        finish(master)
        clock.advance(4000)
    assert begin(master) == []
    assert "started 3 times and still waits: no such thing" in told(world)["waits"][name]["why"]
    Run.objects.all().delete()
    master.tick()
    assert name not in state.read(world).tasks


MASTER = """\
import sys, time
import django
django.setup()
from django.conf import settings
from guild.tasks.only_master import only_master
from tests.support.task_master import a_master, a_task
with only_master(settings.WORLD):
    master = a_master(settings.WORLD, [a_task("long", sys.argv[1])], clock=time.time)
    master.begin()
    master.tick()
    print(*master.running, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def lonely(world: World) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Task Masters in processes of their own, over a migrated database."""
    migrate(world)
    begun: list[subprocess.Popen[str]] = []

    def start(code: str) -> subprocess.Popen[str]:
        begun.append(
            subprocess.Popen(
                [sys.executable, "-c", MASTER, code],
                cwd=CHECKOUT,
                env=environment(world) | {"PYTHONPATH": str(CHECKOUT)},
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        return begun[-1]

    yield start
    for process in begun:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()
    for orphan in children.find_orphans(world).values():
        orphan.kill()


def test_a_killed_master_s_task_is_waited_for_and_never_doubled(
    make: Maker, world: World, lonely: Callable[[str], subprocess.Popen[str]], tmp_path: Path
) -> None:
    go = tmp_path / "go"
    code = f"import os, time\nwhile not os.path.exists({str(go)!r}): time.sleep(0.05)\nprint('well done')"
    first = lonely(code)
    assert first.stdout is not None
    assert first.stdout.readline().strip() == "long"
    mark = state.read(world).of("long").running
    assert mark is not None
    first.kill()
    first.wait()

    second = make(a_task("long", LONG), clock=time.time)
    second.begin()
    assert second.running == ["long"]
    second.tick()
    assert [running["pid"] for running in told(world)["running"]] == [mark.pid]
    go.touch()
    finish(second)
    last = state.read(world).of("long").last
    assert last is not None
    assert (last.outcome, last.exit_code, last.said) == ("lost", None, "well done")


def test_without_looking_for_orphans_the_lock_alone_still_keeps_it_single(
    make: Maker, world: World, lonely: Callable[[str], subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = lonely(LONG)
    assert first.stdout is not None
    assert first.stdout.readline().strip() == "long"
    mark = state.read(world).of("long").running
    assert mark is not None
    first.kill()
    first.wait()
    try:
        assert begin(make(a_task("long", LONG))) == []
        # Sabotage: with neither the lock nor the search there would be two.
        with monkeypatch.context() as patched:
            patched.setattr("guild.tasks.children.locks.try_lock", lambda _: True)
            assert begin(make(a_task("long", LONG))) == ["long"]
    finally:
        psutil.Process(mark.pid).kill()
        until(lambda: children.find_process(mark.pid, mark.create_time) is None)


def test_a_task_that_ended_while_no_master_lived_is_told_as_lost(make: Maker, world: World) -> None:
    mark = state.RunningMark(pid=os.getpid(), create_time=1.0, started_at=5.0)  # the number is another one's now
    state.update(world, "one", lambda before: state.TaskState(running=mark))
    master = make(a_task("one"))
    master.begin()
    known = state.read(world).of("one")
    assert known.running is None
    assert known.last is not None
    assert known.last.outcome == "lost"


def test_a_second_master_gives_way(world: World, lonely: Callable[[str], subprocess.Popen[str]]) -> None:
    first = lonely("pass")
    assert first.stdout is not None
    first.stdout.readline()
    with pytest.raises(AnotherMaster, match=f"process {first.pid}"), only_master(world):
        pass
    first.kill()
    first.wait()
    with only_master(world):
        pass


def told(world: World) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((world.status / master_module.STATUS_FILE).read_bytes())
    return value


def check_the_interval_keeps_what_is_due(make: Maker, clock: Clock) -> None:
    master = make(a_task("first", priority=9), a_task("second", LONG), interval_seconds=60.0)
    assert begin(master) == ["first"]
    clock.advance(59.0)
    until(lambda: "first" not in begin(master))
    assert master.running == []
    clock.advance(1.0)
    assert begin(master) == ["second"]


def test_with_an_interval_it_looks_for_work_no_more_often(make: Maker, clock: Clock) -> None:
    check_the_interval_keeps_what_is_due(make, clock)


def test_twin_without_the_interval_it_begins_at_once(
    make: Maker, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TaskMaster, "_interval_seconds", property(lambda self: 0.0, lambda self, value: None), False)
    with pytest.raises(AssertionError):
        check_the_interval_keeps_what_is_due(make, clock)


def test_a_database_that_was_made_anew_is_opened_anew(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin is one that looks at no file: it would go on with the former one."""
    monkeypatch.setattr(database, "is_a_file_of", lambda world: True)
    closed: list[str] = []
    monkeypatch.setattr("guild.tasks.master.connection", SimpleNamespace(close=lambda: closed.append("closed")))
    world.database.write_bytes(b"SQLite format 3\0")
    master = TaskMaster(world=world, config=RealmConfig(), tasks=lambda rules, states: [])
    assert master._database_is_there()
    world.database.rename(world.database.with_name("former"))
    assert not master._database_is_there()
    world.database.write_bytes(b"SQLite format 3\0")
    assert master._database_is_there()
    assert closed == ["closed"]
