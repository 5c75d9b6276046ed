"""Real processes for tests: a migrated world, the web server on a free port, and requests byte by byte."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from realm.world import CHECKOUT, World

TIMEOUT_SECONDS = 60
SHARED_VARIABLE = "TESTS_SHARED_FOLDER"
"""Names the folder of one run's things that are made once."""
_POLL_SECONDS = 0.05


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def environment(world: World, **variables: object) -> dict[str, str]:
    """The realm's own settings in that world, whatever the session that runs the tests has set."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("REALM_")}
    chosen = {"REALM_HOME": world.home, "DJANGO_SETTINGS_MODULE": "realm.settings"} | variables
    return kept | {name: str(value) for name, value in chosen.items()}


def manage(world: World, *arguments: str, **variables: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(
        command, cwd=CHECKOUT, env=environment(world, **variables), text=True, capture_output=True, timeout=100
    )  # fmt: skip


@functools.cache
def migrated_database() -> Path:
    """A migrated, empty database, made once a run, whichever process asks first; once a process outside of one."""
    shared = Path(os.environ.get(SHARED_VARIABLE) or _temporary())
    with FileLock(shared / "migrated.lock"):
        made = World(shared / "migrated")
        if not made.database.exists():
            made.create()
            done = manage(made, "migrate", "--verbosity", "0")
            assert done.returncode == 0, done.stderr
    return made.database


def _temporary() -> str:
    folder = tempfile.mkdtemp(prefix="realm-tests-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def migrate(world: World) -> None:
    shutil.copyfile(migrated_database(), world.database)


@dataclass(frozen=True)
class WebServer:
    port: int
    process: subprocess.Popen[bytes]


@contextmanager
def web_server(world: World, port: int, **variables: object) -> Iterator[WebServer]:
    """A real daphne of that world, answering; gone on leaving."""
    command = [
        sys.executable,
        "-m",
        "daphne",
        "-b",
        "127.0.0.1",
        "-p",
        str(port),
        "--no-server-name",
        "realm.asgi:application",
    ]
    with open(world.logs / "web.log", "ab") as log:
        process = subprocess.Popen(
            command, cwd=CHECKOUT, env=environment(world, REALM_PORT=port, **variables), stdout=log, stderr=log
        )  # fmt: skip
    try:
        wait_until(lambda: process.poll() is not None or answers(port))
        assert process.poll() is None, (world.logs / "web.log").read_text()
        yield WebServer(port, process)
    finally:
        process.kill()
        process.wait()


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=10) as reply:
            return bool(reply.status == 200)
    except urllib.error.HTTPError as refusal:
        return refusal.code == 401  # who does not log in is told no more
    except OSError:  # refused, cut, or late
        return False


def wait_until(condition: object) -> None:
    """Waits as long as it takes within reason; what is waited for decides the test, not how long it took."""
    assert callable(condition)
    end = time.monotonic() + TIMEOUT_SECONDS
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(_POLL_SECONDS)


def say(port: int, request: bytes) -> bytes:
    """Everything that the server answers to these bytes until it closes or has sent a whole head and pauses."""
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS) as connection:
        connection.sendall(request)
        answer = b""
        while b"\r\n\r\n" not in answer:
            piece = connection.recv(65536)
            if not piece:
                break
            answer += piece
        return answer
