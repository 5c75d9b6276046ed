"""A whole realm of this checkout in a world of its own, started and stopped by the scripts a player uses."""

from __future__ import annotations

import os
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from realm.world import CHECKOUT, World
from tests.support.servers import free_port

DEADLINE_SECONDS = 180.0
POLL_SECONDS = 0.02


class StartedRealm:
    def __init__(self, folder: Path) -> None:
        self.world = World(folder)
        self.world.create()
        self.port = free_port()
        ports = {"REALM_PORT": self.port, "REALM_VAULT_PORT": free_port(), "REALM_ORACLE_PORT": free_port()}
        kept = {name: value for name, value in os.environ.items() if not name.startswith("REALM_")}
        self._environment = kept | {"REALM_HOME": str(folder), "REALM_AUTOPLAY": "0"}
        self._environment |= {name: str(port) for name, port in ports.items()}

    @contextmanager
    def started(self) -> Iterator[float]:
        """When `start_all.sh` was called, by the monotonic clock; it may still be at work."""
        began = time.monotonic()
        with subprocess.Popen(
            ["scripts/start_all.sh"], cwd=CHECKOUT, env=self._environment, stdout=subprocess.DEVNULL
        ) as start:
            try:
                yield began
            finally:
                start.wait()
                stop = ["scripts/stop_all.sh"]
                subprocess.run(stop, cwd=CHECKOUT, env=self._environment, stdout=subprocess.DEVNULL, check=True)

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=10) as reply:
                return bool(reply.status == 200)
        except OSError:
            return False

    def processes(self) -> Iterator[psutil.Process]:
        for process in psutil.process_iter():
            try:
                if process.environ().get("REALM_HOME") == str(self.world.home):
                    yield process
            except (psutil.Error, OSError):
                continue


def seconds_until(condition: Callable[[], bool], began: float) -> float:
    """Since `began`. Raises TimeoutError."""
    while not condition():
        if time.monotonic() - began > DEADLINE_SECONDS:
            raise TimeoutError("the realm did not start")
        time.sleep(POLL_SECONDS)
    return time.monotonic() - began
