"""A real daemon with a real trainer in a world of its own, started and killed by tests."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from arena import status as arena_status
from realm.world import CHECKOUT, World
from tests.support import tiny_hero
from tests.support.servers import migrate

TRAINING = {
    "max_length": 64,
    "rows_per_step": 4,
    "rows_per_micro_batch": 4,
    "save_every": 20,
    "threads": 1,
    "warmup_steps": 3,
    "learning_rate": 0.01,
}
TIMEOUT_SECONDS = 90.0


class LiveArena:
    """Its folder holds the world; `base` is the hero's model folder, or None for the embedded hero's.

    A world that lies there already is opened as it is; `migrates` brings its database up to date before. `training` are
    keys of a recipe beside TRAINING.
    """

    def __init__(
        self,
        folder: Path,
        base: Path | None,
        *,
        migrates: bool = True,
        training: Mapping[str, Any] | None = None,
        **variables: str,
    ) -> None:
        self.world = World(folder)
        is_fresh = not self.world.database.exists()
        if is_fresh:
            self.world.create()
            # Every checkpoint stays, so that the line from the first step to the last can be followed.
            settings = {"training": TRAINING | dict(training or {}), "keep_checkpoints": 100_000}
            (folder / "config.yaml").write_text(yaml.safe_dump(settings))
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("REALM_")} | {
            "REALM_HOME": str(folder),
            "REALM_AUTOPLAY": "0",
            "DJANGO_SETTINGS_MODULE": "realm.settings",
        }
        self.environment |= ({"REALM_BASE_MODEL": str(base)} if base else {}) | variables
        self.daemon: subprocess.Popen[bytes] | None = None
        if is_fresh:
            migrate(self.world)
        elif migrates:
            self.manage("migrate", "-v0")

    def manage(self, *arguments: str) -> str:
        return self._run("manage.py", *arguments)

    def module(self, *arguments: str, seconds: float = TIMEOUT_SECONDS) -> str:
        return self._run("-m", *arguments, seconds=seconds)

    def _run(self, *arguments: str, seconds: float = TIMEOUT_SECONDS) -> str:
        command = [sys.executable, *arguments]
        done = subprocess.run(
            command, cwd=CHECKOUT, env=self.environment, check=True, capture_output=True, timeout=seconds
        )
        return done.stdout.decode()

    def start(self, *prefix: str) -> None:
        """`prefix` is a command that runs the daemon in its own process, such as a tracer's."""
        self.daemon = self.open_daemon(*prefix)
        self.wait_for(lambda: arena_status.daemon_alive(self.world), "the daemon holds its lock")

    def open_daemon(self, *prefix: str) -> subprocess.Popen[bytes]:
        """It writes into the log and may find another one in its way."""
        with open(self.world.logs / "arena.log", "ab") as log:
            return subprocess.Popen(
                [*prefix, sys.executable, "manage.py", "arena"],
                cwd=CHECKOUT,
                env=self.environment,
                stderr=log,
                stdout=log,
                start_new_session=True,
            )

    def stop(self) -> None:
        """Ask the daemon to end; whatever is left of its trainer is waited for."""
        trainer = self.trainer_pid
        if self.daemon is not None:
            self.daemon.terminate()
            self.daemon.wait(TIMEOUT_SECONDS)
        if trainer:
            self.wait_for(lambda: not _lives(trainer), "the trainer is gone")

    @property
    def daemon_lives(self) -> bool:
        return self.daemon is not None and self.daemon.poll() is None

    def kill_daemon(self) -> None:
        assert self.daemon is not None
        self.daemon.kill()
        self.daemon.wait()

    def kill_trainer(self) -> bool:
        """Whether there was one."""
        pid = self.trainer_pid
        if not pid or not _lives(pid):
            return False
        os.kill(pid, signal.SIGKILL)
        return True

    @property
    def status(self) -> dict[str, Any]:
        try:
            said: dict[str, Any] = json.loads(self.world.arena_status.read_bytes())
        except FileNotFoundError:
            return {}
        return said

    @property
    def trainer_pid(self) -> int | None:
        return self.status.get("trainer_pid")

    def drop(self, name: str, rows: int, *, seed: int) -> Path:
        """A whole file appears in the inbox by rename, as a careful program drops it."""
        staged = tiny_hero.write_quest(self.world.home / name, rows, seed=seed)
        target = self.world.inbox / name
        staged.rename(target)
        return target

    def completed(self) -> set[str]:
        return {path.name for path in self.world.recently_completed.glob("*.jsonl")}

    def wait_for(self, condition: Callable[[], bool], what: str, *, seconds: float = TIMEOUT_SECONDS) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                log = (self.world.logs / "arena.log").read_text()[-3000:]
                raise AssertionError(f"waited in vain until {what}; status {self.status}; log: {log}")
            time.sleep(0.02)


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
