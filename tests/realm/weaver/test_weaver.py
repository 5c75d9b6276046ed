"""The weaver with real supervisord and real services, in worlds and on ports of their own."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from urllib.request import urlopen

import psutil
import pytest

from arena import status as arena_status
from realm.config import RealmConfig
from realm.disk import locks
from realm.weaver import orphans, service_lock, verbs
from realm.weaver.services import services
from realm.weaver.supervisord import LOCK_FILE
from realm.world import CHECKOUT, World
from sentinels.guardian import events, processes
from tests.support.injected import without_training
from tests.support.servers import answers, environment, free_port, manage, wait_until

pytestmark = pytest.mark.slow

SERVICES = [service.name for service in services(RealmConfig())]


class Village:
    """A world with services of its own, and a checkout from which they are started."""

    def __init__(self, folder: Path) -> None:
        """What configuration files trip over stands in the world's path, which is too long for a socket."""
        self._folder, self._python_path = folder, without_training(folder)
        self.world = World(folder / ("deep" * 30) / 'a world; 100%s "of" #it')
        self.world.create()
        self.port, self.oracle_port, self.vault_port = free_port(), free_port(), free_port()
        self._config = RealmConfig(port=self.port, oracle_port=self.oracle_port, vault_port=self.vault_port)
        self._checkout = checkout(folder / "checkout", self._python_path)

    def weave(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return manage(self.world, "weave", *arguments, **self.variables)

    def script(self, name: str) -> subprocess.CompletedProcess[str]:
        """Called from another folder, with the world as it is named from there."""
        relative = World(self.world.home.relative_to(self._folder))
        return subprocess.run(
            [self._checkout / "scripts" / name], cwd=self._folder, env=environment(relative, **self.variables),
            text=True, capture_output=True, timeout=100,
        )  # fmt: skip

    @property
    def variables(self) -> dict[str, object]:
        ports = {"REALM_PORT": self.port, "REALM_ORACLE_PORT": self.oracle_port, "REALM_VAULT_PORT": self.vault_port}
        return {**ports, "REALM_AUTOPLAY": 0, "PYTHONPATH": self._python_path}

    def states(self) -> dict[str, tuple[str, str]]:
        """(pid, state) of each service, as `weave --status` has them."""
        found = verbs.status(self.world, self._config)
        return {state.name: (str(state.pid or "-"), state.state.lower()) for state in found}

    def all_run(self) -> bool:
        return {state for _, state in self.states().values()} == {"running"}

    def pids(self) -> dict[str, int | None]:
        return {name: service_lock.holder(self.world, name) for name in SERVICES}

    @property
    def socket_folder(self) -> Path:
        return (self.world.control / "weaver.sock").readlink().parent

    @property
    def supervisor(self) -> int:
        return int((self.world.control / "weaver.pid").read_text())

    def processes(self) -> list[psutil.Process]:
        return [process for found in orphans.find(self.world).values() for process in found]

    def end(self) -> None:
        verbs.stop(self.world, self._config)
        assert not self.processes()


def checkout(folder: Path, python_path: str) -> Path:
    """The environment of this session stands in for .venv, so that nothing is installed here."""
    folder.mkdir()
    for name in CHECKOUT.iterdir():
        if name.name not in (".venv", "world", ".git"):
            (folder / name.name).symlink_to(name)
    (folder / ".venv" / "bin").mkdir(parents=True)
    python = folder / ".venv" / "bin" / "python"
    # The scripts let no PYTHONPATH in.
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{python_path}" exec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    lock = (CHECKOUT / "requirements.lock").read_bytes()
    stamp = subprocess.run(["cksum"], input=lock * 2, capture_output=True, check=True).stdout
    (folder / ".venv" / "requirements.lock.installed").write_bytes(stamp)
    return folder


@pytest.fixture(scope="module")
def village(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Village]:
    village = Village(tmp_path_factory.mktemp("weaver"))
    yield village
    village.end()


@pytest.fixture
def running(village: Village) -> Village:
    """The same village with all its services, whatever the test before has done to them."""
    if not village.all_run():
        started = village.weave("--daemon")
        assert started.returncode == 0, started.stderr
    wait_until(village.all_run)
    wait_until(lambda: arena_status.daemon_alive(village.world))
    return village


def test_starts_at_the_same_time_migrate_an_empty_world_and_make_one_of_each(village: Village) -> None:
    """By the script that players call."""
    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(lambda _: village.script("start_all.sh"), range(3)))
    assert [(one.returncode, one.stderr) for one in done] == [(0, "")] * 3
    assert all(f"http://127.0.0.1:{village.port}/" in one.stdout for one in done)
    assert not any("Installing" in one.stdout for one in done)
    secret = next(village.world.secrets.iterdir())
    assert secret.stat().st_mode & 0o777 == 0o600
    assert village.socket_folder.stat().st_mode & 0o777 == 0o700
    assert len(village.processes()) == len(SERVICES)
    with urlopen(f"http://127.0.0.1:{village.port}/health", timeout=30) as reply:
        assert json.load(reply)["database"] is True
    with closing(sqlite3.connect(village.world.database)) as database:
        assert database.execute("SELECT count(*) FROM arena_quest").fetchone() == (0,)


def test_a_start_is_safe_to_repeat(running: Village) -> None:
    before = running.states()
    assert list(before) == SERVICES
    again = running.weave("--daemon")
    assert again.returncode == 0, again.stderr
    assert "Everything runs already" in again.stdout
    assert running.states().keys() == before.keys()
    assert {name: pid for name, (pid, _) in running.states().items()} == {
        name: pid for name, (pid, _) in before.items()
    }
    assert running.weave("--status").returncode == 0


def test_nothing_listens_beyond_loopback(running: Village) -> None:
    wait_until(lambda: answers(running.oracle_port) and answers(running.vault_port))
    everyone = [psutil.Process(running.supervisor), *psutil.Process(running.supervisor).children(recursive=True)]
    listening = [
        connection.laddr
        for process in everyone
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    ours = sorted([running.port, running.oracle_port, running.vault_port])
    assert sorted((address.ip, address.port) for address in listening) == [("127.0.0.1", port) for port in ours]


def test_a_killed_service_comes_back_by_itself(running: Village) -> None:
    pid = int(running.states()["tavern"][0])
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: running.states()["tavern"][0] not in ("-", str(pid)) and answers(running.port))


def test_a_tavern_that_hangs_is_restarted(running: Village) -> None:
    pid = int(running.states()["tavern"][0])
    os.kill(pid, signal.SIGSTOP)
    mended = running.weave()
    assert (mended.returncode, mended.stderr) == (0, "")
    wait_until(lambda: running.states()["tavern"][0] not in ("-", str(pid)))  # the guardian may be the first
    wait_until(lambda: answers(running.port))


def test_services_outlive_their_supervisor_which_is_brought_back_without_doubles(running: Village) -> None:
    before, supervisor = running.pids(), running.supervisor
    told = max((event.seq for event in events.read(running.world)), default=0)
    os.kill(supervisor, signal.SIGKILL)
    wait_until(lambda: locks.is_held(running.world.control / LOCK_FILE) and running.supervisor != supervisor)
    wait_until(running.all_run)
    assert running.pids() == before
    wait_until(lambda: answers(running.port))
    assert len(running.processes()) == len(SERVICES)
    wait_until(lambda: "mended" in {event.kind for event in events.read(running.world, told)})


def test_what_was_adopted_is_stopped_and_started_as_any_other(running: Village) -> None:
    pid = int(running.states()["oracle"][0])
    assert running.weave("--restart", "oracle").returncode == 0
    wait_until(lambda: running.pids()["oracle"] not in (None, pid))
    assert processes.look(pid) is None
    vault = int(running.states()["vault"][0])
    os.kill(vault, signal.SIGKILL)  # whose stand-in ends with it
    wait_until(lambda: running.pids()["vault"] not in (None, vault))


def test_a_guardian_that_is_killed_comes_back(running: Village) -> None:
    pid = int(running.states()["guardian"][0])
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: running.pids()["guardian"] not in (None, pid))


def test_stop_ends_everything_also_what_lost_its_supervisor(running: Village) -> None:
    before = running.states()
    os.kill(running.supervisor, signal.SIGSTOP)
    for name in ("guardian", "vault"):  # who else bring the supervisor back
        os.kill(int(before[name][0]), signal.SIGKILL)
    os.kill(running.supervisor, signal.SIGKILL)
    wait_until(lambda: not locks.is_held(running.world.control / LOCK_FILE))
    left = [name for name in SERVICES if name not in ("guardian", "vault")]
    states = running.states()
    assert {name: states[name] for name in left} == {name: (before[name][0], "orphaned") for name in left}
    folder = running.socket_folder
    stopped = running.script("stop_all.sh")
    assert (stopped.returncode, stopped.stdout) == (0, f"Stopped: {', '.join(reversed(left))}.\n")
    assert not folder.exists()
    assert not answers(running.port)
    assert not arena_status.daemon_alive(running.world)
    assert not running.processes()
    assert running.weave("--status").returncode == 1
    assert "Nothing was running" in running.weave("--stop").stdout


def test_a_taken_port_is_named_and_nothing_is_left_running(village: Village) -> None:
    village.end()
    with socket.create_server(("127.0.0.1", village.port)):
        refused = village.weave("--daemon")
    assert refused.returncode == 1
    assert f"port {village.port} of 127.0.0.1 is taken by another program" in refused.stderr
    assert not village.processes()
