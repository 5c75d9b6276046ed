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
from tests.support.servers import answers, environment, free_port, manage, migrate, wait_until

pytestmark = pytest.mark.slow

SERVICES = [service.name for service in services(RealmConfig())]


class Village:
    """A world with services of its own."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.port, self.oracle_port = free_port(), free_port()

    def weave(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return manage(self.world, "weave", *arguments, **self.variables)

    @property
    def variables(self) -> dict[str, object]:
        return {"REALM_PORT": self.port, "REALM_ORACLE_PORT": self.oracle_port, "REALM_AUTOPLAY": 0}

    def states(self) -> dict[str, tuple[str, str]]:
        """(pid, state) of each service, as the table says."""
        rows = self.weave("--status").stdout.splitlines()[1:]
        return {name: (pid, state) for name, pid, state, _ in (row.split(maxsplit=3) for row in rows)}

    @property
    def supervisor(self) -> int:
        return int((self.world.control / "weaver.pid").read_text())

    def processes(self) -> list[psutil.Process]:
        return [process for found in orphans.find(self.world).values() for process in found]


@pytest.fixture
def village(tmp_path: Path) -> Iterator[Village]:
    """Its folder's name holds what configuration files trip over."""
    world = World(tmp_path / 'a world; 100%s "of" #it')
    world.create()
    migrate(world)
    village = Village(world)
    yield village
    stopped = village.weave("--stop")
    assert stopped.returncode == 0, stopped.stderr
    assert not village.processes()


def test_start_is_safe_to_repeat_and_stop_ends_everything(village: Village) -> None:
    first = village.weave("--daemon")
    assert first.returncode == 0, first.stderr
    assert f"http://127.0.0.1:{village.port}/" in first.stdout
    assert answers(village.port)
    wait_until(lambda: arena_status.daemon_alive(village.world))
    before = village.states()
    assert list(before) == SERVICES

    again = village.weave("--daemon")
    assert again.returncode == 0, again.stderr
    assert "Everything runs already" in again.stdout
    assert {name: pid for name, (pid, _) in village.states().items()} == {
        name: pid for name, (pid, _) in before.items()
    }
    assert village.weave("--status").returncode == 0

    stopped = village.weave("--stop")
    assert stopped.returncode == 0, stopped.stderr
    assert not answers(village.port)
    assert not arena_status.daemon_alive(village.world)
    assert not village.processes()
    assert village.weave("--status").returncode == 1
    assert "Nothing was running" in village.weave("--stop").stdout


def test_starts_at_the_same_time_make_one_of_each(village: Village) -> None:
    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(lambda _: village.weave("--daemon"), range(3)))
    assert [(one.returncode, one.stderr) for one in done] == [(0, "")] * 3
    assert len(village.processes()) == len(SERVICES)


def test_a_killed_service_comes_back_by_itself(village: Village) -> None:
    village.weave("--daemon")
    wait_until(lambda: all(state == "running" for _, state in village.states().values()))
    pid = int(village.states()["tavern"][0])
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: village.states()["tavern"][0] not in ("-", str(pid)) and answers(village.port))


def test_services_outlive_their_supervisor_and_are_mended_without_doubles(village: Village) -> None:
    village.weave("--daemon")
    wait_until(lambda: arena_status.daemon_alive(village.world))
    os.kill(village.supervisor, signal.SIGKILL)
    wait_until(lambda: not psutil.pid_exists(village.supervisor))
    assert answers(village.port)
    assert {state for _, state in village.states().values()} == {"orphaned"}
    assert village.weave("--status").returncode == 1

    mended = village.weave()
    assert mended.returncode == 0, mended.stderr
    assert answers(village.port)
    assert len(village.processes()) == len(SERVICES)


def test_stop_ends_services_that_lost_their_supervisor(village: Village) -> None:
    village.weave("--daemon")
    os.kill(village.supervisor, signal.SIGKILL)
    wait_until(lambda: not psutil.pid_exists(village.supervisor))
    stopped = village.weave("--stop")
    assert (stopped.returncode, stopped.stdout) == (0, f"Stopped: {', '.join(reversed(SERVICES))}.\n")
    assert not answers(village.port)


def test_a_tavern_that_hangs_is_restarted(village: Village) -> None:
    village.weave("--daemon")
    pid = int(village.states()["tavern"][0])
    os.kill(pid, signal.SIGSTOP)
    mended = village.weave()
    assert (mended.returncode, mended.stderr) == (0, "")
    assert "tavern started" in mended.stdout
    assert village.states()["tavern"][0] != str(pid)


def test_a_taken_port_is_named_and_nothing_is_left_running(village: Village) -> None:
    with socket.create_server(("127.0.0.1", village.port)):
        refused = village.weave("--daemon")
    assert refused.returncode == 1
    assert f"port {village.port} of 127.0.0.1 is taken by another program" in refused.stderr
    assert not village.processes()


def test_a_world_with_a_long_path_gets_a_short_socket(village: Village, tmp_path: Path) -> None:
    village.world = World(tmp_path / ("deep" * 30))
    village.world.create()
    migrate(village.world)
    started = village.weave("--daemon")
    assert started.returncode == 0, started.stderr
    short = (village.world.control / "weaver.sock").readlink()
    assert short.parent.stat().st_mode & 0o777 == 0o700
    assert village.weave("--status").returncode == 0
    village.weave("--stop")
    assert not short.parent.exists()


def test_nothing_listens_beyond_loopback(village: Village) -> None:
    village.weave("--daemon")
    wait_until(lambda: answers(village.oracle_port))
    everyone = [psutil.Process(village.supervisor), *psutil.Process(village.supervisor).children(recursive=True)]
    listening = [
        connection.laddr
        for process in everyone
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    ours = sorted([village.port, village.oracle_port])
    assert sorted((address.ip, address.port) for address in listening) == [("127.0.0.1", port) for port in ours]


def test_an_empty_world_is_migrated_first(village: Village) -> None:
    village.world.database.unlink()
    started = village.weave("--daemon")
    assert started.returncode == 0, started.stderr
    with urlopen(f"http://127.0.0.1:{village.port}/health", timeout=30) as reply:
        assert json.load(reply)["database"] is True
    with closing(sqlite3.connect(village.world.database)) as database:
        assert database.execute("SELECT count(*) FROM arena_quest").fetchone() == (0,)


def test_the_scripts_start_and_stop_from_any_folder(village: Village, tmp_path: Path) -> None:
    """The environment of this session stands in for .venv, so that nothing is installed here."""
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
    assert "Everything runs already" in script("start_all.sh").stdout
    assert script("stop_all.sh").returncode == 0
    assert not answers(village.port)
