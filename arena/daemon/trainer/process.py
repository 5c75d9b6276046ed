"""The trainer as the daemon's one child: started, spoken to, ended.

Where several processes train together the child is their launcher, and its standard input and output are rank 0's.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from arena.daemon.trainer.liveness import Liveness, Timeouts
from arena.protocol import READY_LINE, Command
from arena.recipe import Recipe
from realm.processes.child import ChildProcess
from realm.processes.launcher import without_launcher
from realm.processes.log import ChildLog
from realm.world import World

COMMAND = (sys.executable, "-m", "arena.training", "--serve")
LAUNCH = (sys.executable, "-m", "arena.training.launch")
GRACE_SECONDS = 60.0
LOG_FILE = "trainer.log"


@dataclass(frozen=True, kw_only=True)
class Group:
    """How many processes train together, and what each of them holds."""

    processes: int = 1
    strategy: str = "ddp"
    nodes: tuple[str, ...] = ()
    """The other machines, on each of which as many train."""
    node_address: str = ""
    """Where they join; empty where nobody said."""

    @classmethod
    def of(cls, recipe: Recipe, node_address: str | None = None) -> Self:
        if recipe.ranks == 1:
            return cls()
        address = (node_address or "") if recipe.nodes else ""
        return cls(processes=recipe.processes, strategy=recipe.strategy, nodes=recipe.nodes, node_address=address)

    @property
    def is_alone(self) -> bool:
        return self.processes == 1 and not self.nodes


class TrainerProcess:
    """Kept warm between battles. It ends by itself when this process is gone: its standard input closes."""

    def __init__(
        self,
        world: World,
        wake: Callable[[], None],
        command: tuple[str, ...] = COMMAND,
        *,
        clock: Callable[[], float] = time.monotonic,
        timeouts: Timeouts | None = None,
    ) -> None:
        self._home = world.home
        self._log = ChildLog(world.logs / "trainer" / LOG_FILE)
        self._wake = wake
        self._command = command
        self.group = Group()
        """What the next start brings together."""
        self._clock = clock
        self._timeout_seconds = timeouts or Timeouts()
        self._child: ChildProcess | None = None
        # Both anew for each child: the last words of the one before may still be on their way.
        self._ready = threading.Event()
        self._liveness = Liveness(clock(), self._timeout_seconds)

    @property
    def alive(self) -> bool:
        return self._child is not None and self._child.alive

    @property
    def ready(self) -> bool:
        """Whether it waits for an order."""
        return self.alive and self._ready.is_set()

    @property
    def trouble(self) -> str:
        """What the run waits for, in its own words; empty while it waits for nothing."""
        return self._liveness.trouble if self.alive else ""

    @property
    def missing(self) -> str:
        """Which machines it waits for before it can train, in its own words; empty while it waits for none."""
        return self._liveness.missing if self.alive else ""

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child else None

    def start(self) -> None:
        ready = self._ready = threading.Event()
        timeouts = self._timeout_seconds
        if not self.group.is_alone:  # the launcher loads torch, and after it the ranks
            timeouts = replace(timeouts, startup_seconds=2 * timeouts.startup_seconds)
        liveness = self._liveness = Liveness(self._clock(), timeouts)

        def hear(line: bytes) -> None:
            said = line.decode(errors="replace")
            if said.strip() == READY_LINE:
                ready.set()
            if liveness.hear(said):
                self._wake()

        alone = without_launcher(os.environ) | {"REALM_HOME": str(self._home)}
        self._child = ChildProcess.conversing(self._what_runs(), self._log, on_line=hear, on_end=self._wake, env=alone)

    def _what_runs(self) -> tuple[str, ...]:
        group = self.group
        if group.is_alone:
            return self._command
        alone = (*LAUNCH, "--processes", str(group.processes), "--strategy", group.strategy)
        return (*alone, "--nodes", *group.nodes, "--address", group.node_address) if group.nodes else alone

    @property
    def exit_code(self) -> int | None:
        """Of a child that has ended, until `reap`; None otherwise."""
        return None if self._child is None else self._child.exit_code

    def reap(self) -> None:
        """Its end was seen to; the next one may be started."""
        if self._child is not None:
            self._child.hang_up()
        self._child = None
        self._ready.clear()

    def why_hung(self) -> str:
        """In what way the living child fails to answer; empty while it does. To be asked every few seconds."""
        return self._liveness.look(self._clock(), busy=not self.ready) if self.alive else ""

    def kill(self) -> None:
        """At once, with its group; a stopped process dies of it too."""
        if self._child is not None:
            self._child.kill()

    def run(self, order: Path) -> None:
        self._ready.clear()
        self._send(f"{Command.RUN} {order}")

    def pause_at(self, step: int) -> None:
        """Of the hero's life; of the order that it was given last."""
        self._send(f"{Command.PAUSE_AT} {step}")

    def send(self, command: Command) -> None:
        self._send(command)

    def shut_down(self, *, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Ask it to save and leave, which may take; after the grace period kill its group."""
        if self._child is None:
            return
        self._child.terminate()
        self._child.wait_or_kill(GRACE_SECONDS, meanwhile=meanwhile)
        self.reap()

    def last_lines(self, count: int = 5) -> str:
        """What the newest child said last on standard error."""
        return self._log.last_lines(count)

    def _send(self, line: str) -> None:
        assert self._child is not None
        if not self._child.send(f"{line}\n".encode()):
            self._wake()  # it has just ended; the daemon sees that on its next look
