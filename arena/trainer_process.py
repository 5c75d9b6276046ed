"""The trainer as the daemon's one child: started, spoken to, ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import IO

from arena.protocol import READY_LINE, Command
from realm.world import CHECKOUT, World

COMMAND = (sys.executable, "-m", "arena.training", "--serve")
GRACE_SECONDS = 60.0
LOG_FILE = "trainer.log"
LARGEST_LOG_BYTES = 10 * 1024 * 1024


class TrainerProcess:
    """Kept warm between battles. It ends by itself when this process is gone: its standard input closes."""

    def __init__(self, world: World, ring: Callable[[], None], command: tuple[str, ...] = COMMAND) -> None:
        self._folder = world.logs / "trainer"
        self._ring = ring
        self._command = command
        self._child: subprocess.Popen[str] | None = None
        self._ready = threading.Event()

    @property
    def alive(self) -> bool:
        return self._child is not None and self._child.poll() is None

    @property
    def ready(self) -> bool:
        """Whether it waits for an order."""
        return self.alive and self._ready.is_set()

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child else None

    def start(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        log_path = self._folder / LOG_FILE
        if log_path.exists() and log_path.stat().st_size > LARGEST_LOG_BYTES:
            os.replace(log_path, log_path.with_suffix(".log.1"))
        self._ready.clear()
        with open(log_path, "ab") as log:
            self._child = subprocess.Popen(
                self._command,
                cwd=CHECKOUT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        threading.Thread(target=self._listen, args=(self._child.stdout,), daemon=True).start()

    def take_exit_code(self) -> int | None:
        """The exit code of a child that has ended, once; None otherwise."""
        if self._child is None or self._child.poll() is None:
            return None
        code, self._child = self._child.returncode, None
        self._ready.clear()
        return code

    def run(self, order: Path) -> None:
        self._ready.clear()
        self._send(f"{Command.RUN} {order}")

    def send(self, command: Command) -> None:
        self._send(command)

    def shut_down(self) -> None:
        """Ask it to save and leave; after the grace period kill its group."""
        if self._child is None:
            return
        self._child.terminate()
        try:
            self._child.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._child.pid, signal.SIGKILL)
            self._child.wait()

    def last_lines(self, count: int = 5) -> str:
        try:
            with open(self._folder / LOG_FILE, encoding="utf-8", errors="replace") as log:
                return "".join(deque(log, maxlen=count)).strip()
        except FileNotFoundError:
            return ""

    def _send(self, line: str) -> None:
        assert self._child is not None
        assert self._child.stdin is not None
        try:
            self._child.stdin.write(line + "\n")
            self._child.stdin.flush()
        except BrokenPipeError:
            self._ring()  # it has just ended; the daemon sees that on its next look

    def _listen(self, replies: IO[str] | None) -> None:
        assert replies is not None
        with replies:
            for line in replies:
                if line.strip() == READY_LINE:
                    self._ready.set()
                self._ring()
        self._ring()
