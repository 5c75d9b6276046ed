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
from realm.weaver import orphans
from realm.weaver.services import services
from realm.world import CHECKOUT, World
from tests.support.injected import without_training
from tests.support.servers import answers, environment, free_port, manage, migrate, wait_until

pytestmark = pytest.mark.slow

SERVICES = [service.name for service in services(RealmConfig())]


class Village:
    """A world with services of its own."""

    def __init__(self, world: World, python_path: str) -> None:
        self.world, self._python_path = world, python_path
        self.port, self.oracle_port, self.vault_port = free_port(), free_port(), free_port()

    def weave(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return manage(self.world, "weave", *arguments, **self.variables)

    @property
    def variables(self) -> dict[str, object]:
        ports = {"REALM_PORT": self.port, "REALM_ORACLE_PORT": self.oracle_port, "REALM_VAULT_PORT": self.vault_port}
        return {**ports, "REALM_AUTOPLAY": 0, "PYTHONPATH": self._python_path}

    def states(self) -> dict[str, tuple[str, str]]:
        """(pid, state) of each service, as the table says."""
        rows = self.weave("--status").stdout.splitlines()[1:]
        return {name: (pid, state) for name, pid, state, _ in (row.split(maxsplit=3) for row in rows)}

    @property
    def supervisor(self) -> int:
        return int((self.world.control / "weaver.pid").read_text())

    def processes(self) -> list[psutil.Process]:
        return [process for found in orphans.find(self.world).values() for process in found]

    def end(self) -> None:
        stopped = self.weave("--stop")
        assert stopped.returncode == 0, stopped.stderr
        assert not self.processes()


@pytest.fixture(scope="module")
def village(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Village]:
    """Its folder's name holds what configuration files trip over."""
    folder = tmp_path_factory.mktemp("weaver")
    world = World(folder / 'a world; 100%s "of" #it')
    world.create()
    village = Village(world, without_training(folder))
    yield village
    village.end()


@pytest.fixture
def running(village: Village) -> Village:
    """The same village with all its services, whatever the test before has done to them."""
    started = village.weave("--daemon")
    assert started.returncode == 0, started.stderr
    wait_until(lambda: {state for _, state in village.states().values()} == {"running"})
    wait_until(lambda: arena_status.daemon_alive(village.world))
    return village


def test_starts_at_the_same_time_migrate_an_empty_world_and_make_one_of_each(village: Village) -> None:
    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(lambda _: village.weave("--daemon"), range(3)))
    assert [(one.returncode, one.stderr) for one in done] == [(0, "")] * 3
    assert all(f"http://127.0.0.1:{village.port}/" in one.stdout for one in done)
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
    assert "tavern started" in mended.stdout
    assert running.states()["tavern"][0] != str(pid)


def test_services_outlive_their_supervisor_and_are_mended_without_doubles(running: Village) -> None:
    os.kill(running.supervisor, signal.SIGKILL)
    wait_until(lambda: not psutil.pid_exists(running.supervisor))
    assert answers(running.port)
    assert {state for _, state in running.states().values()} == {"orphaned"}
    assert running.weave("--status").returncode == 1

    mended = running.weave()
    assert mended.returncode == 0, mended.stderr
    assert answers(running.port)
    assert len(running.processes()) == len(SERVICES)


def test_stop_ends_everything_also_what_lost_its_supervisor(running: Village) -> None:
    os.kill(running.supervisor, signal.SIGKILL)
    wait_until(lambda: not psutil.pid_exists(running.supervisor))
    stopped = running.weave("--stop")
    assert (stopped.returncode, stopped.stdout) == (0, f"Stopped: {', '.join(reversed(SERVICES))}.\n")
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


def test_the_scripts_start_and_stop_from_any_folder(tmp_path: Path) -> None:
    """The environment of this session stands in for .venv, so that nothing is installed here.

    The world's path is too long for a socket, which then lies elsewhere.
    """
    world = World(tmp_path / ("deep" * 30))
    world.create()
    migrate(world)
    village = Village(world, without_training(tmp_path))
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for name in CHECKOUT.iterdir():
        if name.name not in (".venv", "world", ".git"):
            (checkout / name.name).symlink_to(name)
    (checkout / ".venv" / "bin").mkdir(parents=True)
    python = checkout / ".venv" / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    lock = (CHECKOUT / "requirements.lock").read_bytes()
    stamp = subprocess.run(["cksum"], input=lock * 2, capture_output=True, check=True).stdout
    (checkout / ".venv" / "requirements.lock.installed").write_bytes(stamp)

    def script(name: str) -> subprocess.CompletedProcess[str]:
        relative = village.world.home.relative_to(tmp_path)
        variables = environment(World(relative), **village.variables)
        command = [str(checkout / "scripts" / name)]
        return subprocess.run(command, cwd=tmp_path, env=variables, text=True, capture_output=True, timeout=100)

    started = script("start_all.sh")
    assert started.returncode == 0, started.stderr
    assert "Installing" not in started.stdout
    assert answers(village.port)
    secret = next(village.world.secrets.iterdir())
    assert secret.stat().st_mode & 0o777 == 0o600
    short = (village.world.control / "weaver.sock").readlink()
    assert short.parent.stat().st_mode & 0o777 == 0o700
    assert "Everything runs already" in script("start_all.sh").stdout
    assert script("stop_all.sh").returncode == 0
    assert not short.parent.exists()
    assert not answers(village.port)
