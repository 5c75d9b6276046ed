"""The trainer as the daemon's one child: started, spoken to, ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

from arena.daemon.heartbeat import Patience, Pulse
from arena.protocol import READY_LINE, Command
from realm.processes.log import ChildLog
from realm.world import CHECKOUT, World

COMMAND = (sys.executable, "-m", "arena.training", "--serve")
GRACE_SECONDS = 60.0
LOG_FILE = "trainer.log"


class TrainerProcess:
    """Kept warm between battles. It ends by itself when this process is gone: its standard input closes."""

    def __init__(
        self,
        world: World,
        ring: Callable[[], None],
        command: tuple[str, ...] = COMMAND,
        *,
        clock: Callable[[], float] = time.monotonic,
        patience: Patience | None = None,
    ) -> None:
        self._log = ChildLog(world.logs / "trainer" / LOG_FILE)
        self._ring = ring
        self._command = command
        self._clock = clock
        self._patience = patience or Patience()
        self._child: subprocess.Popen[str] | None = None
        # Both anew for each child: the last words of the one before may still be on their way.
        self._ready = threading.Event()
        self._pulse = Pulse(clock(), self._patience)

    @property
    def alive(self) -> bool:
        return self._child is not None and self._child.poll() is None

    @property
    def ready(self) -> bool:
        """Whether it waits for an order."""
        return self.alive and self._ready.is_set()

    @property
    def trouble(self) -> str:
        """What the run waits for, in its own words; empty while it waits for nothing."""
        return self._pulse.trouble if self.alive else ""

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child else None

    def start(self) -> None:
        self._ready = threading.Event()
        self._pulse = Pulse(self._clock(), self._patience)
        with self._log.opened() as log:
            self._child = subprocess.Popen(
                self._command,
                cwd=CHECKOUT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        listener = threading.Thread(
            target=self._listen, args=(self._child.stdout, self._ready, self._pulse), daemon=True
        )
        listener.start()

    @property
    def exit_code(self) -> int | None:
        """Of a child that has ended, until `bury`; None otherwise."""
        return None if self._child is None else self._child.poll()

    def bury(self) -> None:
        """Its end was seen to; the next one may be started."""
        if self._child is not None and self._child.stdin is not None:
            with suppress(BrokenPipeError):  # of a command that it no longer read
                self._child.stdin.close()
        self._child = None
        self._ready.clear()

    def why_hung(self) -> str:
        """In what way the living child fails to answer; empty while it does. To be asked every few seconds."""
        return self._pulse.look(self._clock(), busy=not self.ready) if self.alive else ""

    def kill(self) -> None:
        """At once, with its group; a stopped process dies of it too."""
        if self._child is not None and self._child.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._child.pid, signal.SIGKILL)

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
            self.kill()
            self._child.wait()
        self.bury()

    def last_lines(self, count: int = 5) -> str:
        """What the newest child said last on standard error."""
        return self._log.last_lines(count)

    def _send(self, line: str) -> None:
        assert self._child is not None
        assert self._child.stdin is not None
        try:
            self._child.stdin.write(line + "\n")
            self._child.stdin.flush()
        except BrokenPipeError:
            self._ring()  # it has just ended; the daemon sees that on its next look

    def _listen(self, replies: IO[str] | None, ready: threading.Event, pulse: Pulse) -> None:
        assert replies is not None
        with replies:
            for line in replies:
                if line.strip() == READY_LINE:
                    ready.set()
                if pulse.hear(line):
                    self._ring()
        self._ring()
