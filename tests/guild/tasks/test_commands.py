"""`manage.py tasks` and `manage.py taskmaster`, as the player types them."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from guild.errors import GuildError
from guild.skills import health
from guild.tasks import children, gpus, selectors, state
from guild.tasks.master import STATUS_FILE
from guild.tasks.only_master import only_master
from guild.tasks.state import LastRun, TaskState
from realm.config import RealmConfig
from realm.world import CHECKOUT, World
from tests.support.servers import environment, manage, migrate
from tests.support.task_master import until

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


def say(*words: str) -> str:
    out = io.StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def remember(world: World, name: str, **changes: Any) -> None:
    told: dict[str, Any] = {
        "started_at": 100.0,
        "ended_at": 102.5,
        "outcome": "failed",
        "exit_code": 3,
        "said": "it cannot be",
    }
    state.update(world, name, lambda before: state.ended(before, LastRun(**(told | changes))))


def test_list_shows_every_task_and_that_nobody_minds_them(world: World) -> None:
    said = say("tasks", "list")
    for name in (
        "process_eval_queue",
        "sparring_bin",
        "sparring_bin_large",
        "generate_bin",
        "make_sets",
        "lineage_report",
    ):
        assert name in said
    assert said.count("the Task Master is not running") >= 10


def test_status_shows_what_became_of_each(world: World) -> None:
    remember(world, "vault_scan")
    said = say("tasks", "status")
    (line,) = [line for line in said.splitlines() if "vault_scan" in line]
    assert all(word in line for word in ("2.5 s", "failed", "3", "it cannot be"))
    assert "never ran" in said


def test_available_measures_and_asks_for_itself(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {
        task.name: wait
        for task, wait in selectors.available(world, RealmConfig(oracle_port=1), pause=lambda seconds: None)
    }
    assert found["health_check"] is None
    assert found["vault_scan"] is not None
    assert found["vault_scan"].why == "DIO has no checkpoint yet"
    with children.resource_lock(world, "patrol"):
        again = {task.name: wait for task, wait in selectors.available(world, RealmConfig(), pause=lambda _: None)}
        assert again["health_check"] is not None
        assert again["health_check"].why == "another task has the patrol"


def test_set_writes_into_the_world_s_settings(world: World) -> None:
    say("tasks", "set", "sparring_bin", "count=50", "enabled=false")
    say("tasks", "set", "sparring", "cooldown_seconds=60")
    say("tasks", "set", "all", "idle_percent=30")
    text = (world.home / "config.yaml").read_text()
    assert all(word in text for word in ("count: 50", "enabled: false", "cooldown_seconds: 60", "idle_percent: 30"))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("generat", "enabled=true"), "There is no task 'generat'; there are "),
        (("generate", "enabled"), "'enabled' is not understood; each key is given once, as KEY=VALUE"),
        (("generate", "enabled={"), "enabled: '{' is no value"),
        (("make_sets", "count=3"), "unknown key 'count'"),
    ],
)
def test_set_refuses_with_one_sentence(world: World, words: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        say("tasks", "set", *words)


def test_run_names_the_tasks_where_there_is_none_of_that_name(world: World) -> None:
    with pytest.raises(CommandError) as refusal:
        say("tasks", "run", "generate_bim")
    told = str(refusal.value)
    assert told.startswith(
        "There is no task 'generate_bim'; there are checkpoint_cleanup, daily_snapshot, generate_SKILL, "
    )
    assert told.endswith(
        "sparring_SKILL, sparring_SKILL_large, validate_queue, vault_copies, vault_scan, and those of "
        "`manage.py tasks list`; "
        "did you mean 'generate_bin'?"
    )
    assert "sparring_bin" not in told


def test_a_sparring_whose_trainer_is_down_says_so(world: World) -> None:
    def rows() -> dict[str, str]:
        return {row.task.name: row.why_not for row in selectors.overview(world, RealmConfig()).tasks}

    with only_master(world):
        assert rows()["sparring_bin"] == ""
        health.mark_down(world, "bin", "it sleeps", clock=lambda: 1_000_000.0)
        assert rows()["sparring_bin"] == "the trainer of bin was down when last tried: it sleeps"
    health.mark_up(world, "bin")
    health.mark_down(world, "bin", "it sleeps")
    seen = selectors.overview(world, RealmConfig())
    assert "sparring_bin" not in {row.task.name for row in seen.tasks}
    assert seen.notes == ("sparring_bin is left out while the trainer of bin is down: it sleeps",)
    say("tasks", "set", "sparring_bin", "count=50")


def test_run_shows_the_output_and_ends_with_its_exit_code(world: World) -> None:
    migrate(world)
    done = manage(world, "tasks", "run", "make_sets", REALM_AUTOPLAY=0)
    assert done.returncode == 0, done.stderr
    assert "bin level 1: its evaluation set is made" in done.stdout
    broken = manage(world, "tasks", "run", "model_warmup")
    assert broken.returncode == 1
    assert "DIO has no checkpoint yet" in broken.stderr
    last = state.read(world).of("model_warmup").last
    assert last is not None
    assert (last.exit_code, last.by) == (1, "command line")


def test_the_page_s_rows_say_when_and_why_not(world: World) -> None:
    remember(world, "health_check", ended_at=1000.0, outcome="ok", exit_code=0)
    (world.status / STATUS_FILE).write_text(
        json.dumps({"time": 1001.0, "pid": 5, "waits": {"make_sets": {"why": "a reason", "due_at": None}}})
    )
    with only_master(world):
        seen = selectors.overview(world, RealmConfig(), now=1001.0)
    rows = {row.task.name: row for row in seen.tasks}
    assert (seen.master.alive, seen.master.stale) == (True, False)
    assert (rows["health_check"].due_at, rows["health_check"].why_not) == (1600.0, "it rests until it is due")
    assert rows["make_sets"].why_not == "a reason"
    assert rows["make_sets"].command == "manage.py make_sets"
    with only_master(world):
        assert selectors.overview(world, RealmConfig(), now=2000.0).master.stale
    assert selectors.overview(world, RealmConfig()).master.trouble == selectors.OFFLINE


@pytest.mark.parametrize("damage", [b"", b"[]", b"{"])
def test_a_damaged_status_breaks_no_page(world: World, damage: bytes) -> None:
    (world.status / STATUS_FILE).write_bytes(damage)
    with only_master(world):
        assert selectors.overview(world, RealmConfig()).master.stale


def test_settings_for_a_skill_that_is_none_are_told(world: World) -> None:
    config = RealmConfig(tasks={"sparring": {"skills": {"bni": {"count": 5}}}})
    assert selectors.overview(world, config).notes == (
        "tasks: sparring: skills: bni: no skill of that name can be used",
    )


def test_a_pid_that_is_another_process_now_does_not_count_as_running(world: World) -> None:
    mark = state.RunningMark(pid=1, create_time=5.0, started_at=5.0)
    state.update(world, "make_sets", lambda before: TaskState(running=mark))
    (row,) = [row for row in selectors.overview(world, RealmConfig()).tasks if row.task.name == "make_sets"]
    assert row.running is None


@pytest.fixture
def daemon(world: World) -> Iterator[subprocess.Popen[str]]:
    migrate(world)
    (world.home / "config.yaml").write_text("autoplay: false\n")
    process = subprocess.Popen(
        [sys.executable, "manage.py", "taskmaster", "--daemon"],
        cwd=CHECKOUT,
        env=environment(world, REALM_ORACLE_PORT=1),
        stderr=subprocess.PIPE,
        text=True,
    )
    yield process
    process.kill()
    process.wait()
    if process.stderr:
        process.stderr.close()
    for orphan in children.find_orphans(world).values():
        orphan.kill()


def test_the_daemon_serves_tells_and_ends_cleanly(world: World, daemon: subprocess.Popen[str]) -> None:
    until(lambda: state.read(world).of("health_check").last)
    last = state.read(world).of("health_check").last
    assert last is not None
    assert "in trouble: arena" in last.said  # no arena runs in this world
    assert json.loads((world.status / "health.json").read_bytes())["verdict"] == "trouble"

    shown = manage(world, "taskmaster", "--status")
    assert shown.returncode == 0
    assert f"process {daemon.pid} serves" in shown.stdout
    second = manage(world, "taskmaster", "--once")
    assert second.returncode == 1
    assert f"served by process {daemon.pid}" in second.stderr

    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(30) == 0
    assert not children.find_orphans(world)
    assert manage(world, "taskmaster", "--status").returncode == 1


def test_once_does_what_is_due_and_ends(world: World) -> None:
    migrate(world)
    done = manage(world, "taskmaster", "--once", REALM_ORACLE_PORT=1)
    assert done.returncode == 0, done.stderr
    assert "health_check" in done.stdout
    assert state.read(world).of("health_check").runs == 1


def check_gpus(world: World) -> None:
    (world.home / "hosts.yaml").write_text(
        "local: null\n3090: {host: 127.0.0.1, device: 'RTX 3090, 24 GB'}\nlab: {host: localhost, evaluates: true}\n"
        "4090: {host: 127.0.0.1, role: trainer, services: {vault: {}}}\n"
    )
    tasks = selectors.all_tasks(world, RealmConfig(), state.AllStates())

    def needing(gpu: str) -> set[str]:
        return set(gpus.needing(world, RealmConfig(), tasks, gpu))

    sparrings = {"sparring_bin", "sparring_sy", "sparring_bin_large", "sparring_sy_large"}
    assert needing("3090") == needing("RTX") == sparrings | {"model_warmup"}
    assert (needing("lab"), needing("4090")) == ({"process_eval_queue"}, set())
    assert {"generate_bin", "health_check", "vault_scan"} <= needing("none")
    assert not needing("none") & needing("3090")
    with pytest.raises(GuildError, match=r"There is no GPU 'moon'.*: 3090, lab, 4090, none"):
        needing("moon")


def test_a_gpu_is_named_by_its_host_or_its_device(world: World) -> None:
    check_gpus(world)


def test_twin_where_every_host_is_taken_for_the_default(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "_asks", lambda task, host, default: task.resource == "oracle")
    with pytest.raises(AssertionError):
        check_gpus(world)


def test_the_task_master_runs_one_task_as_tasks_run_does(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []
    monkeypatch.setattr("guild.tasks.by_hand.run_now", lambda world, task: ran.append(task.name) or 3)
    for words in (("tasks", "run", "sparring_binary"), ("taskmaster", "--run", "sparring_binary")):
        with pytest.raises(SystemExit, match="3"):
            say(*words)
    assert ran == ["sparring_bin", "sparring_bin"]
    with pytest.raises(CommandError, match="There is no task 'moon'"):
        say("taskmaster", "--run", "moon")
    with pytest.raises(CommandError, match="--interval is of --daemon alone"):
        say("taskmaster", "--once", "--interval", "60")
    with pytest.raises(CommandError, match="'0' is not allowed; allowed is more than 0, at most 3600"):
        say("taskmaster", "--daemon", "--interval", "0")
