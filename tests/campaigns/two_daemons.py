"""A5: one daemon a world. A second one stops and names the first; after kill -9 a new one serves at once."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from pathlib import Path

from arena.status import LOCK_FILE
from tests.campaigns.report import Figure, none_of
from tests.campaigns.resting import resting_arena
from tests.support.live_arena import LiveArena

STOPS_WITHIN_SECONDS, STARTS_WITHIN_SECONDS = 1.0, 2.0
TIMEOUT_SECONDS = 60.0
RACERS = 4


def run(folder: Path, base: Path, *, races: int, repeats: int, **variables: str) -> list[Figure]:
    arena = resting_arena(folder, base, **variables)
    raced = races_for_the_lock(arena, races)
    try:
        arena.start()
        return [*raced, *_in_the_way(arena, repeats), *_after_kills(arena, repeats)]
    finally:
        arena.stop()


def races_for_the_lock(arena: LiveArena, races: int) -> list[Figure]:
    """Processes that have imported all already, so that they reach for the lock at the same instant."""
    said = arena.module("tests.campaigns.racers", str(races), str(RACERS))
    outcomes = [json.loads(line) for line in said.splitlines()]
    wrong = [f"race {number}: {outcome}" for number, outcome in enumerate(outcomes, 1) if not _is_fair(arena, outcome)]
    what = f"races of {RACERS} processes at the lock that not exactly one won, named by all others"
    return [none_of("A5", what, wrong, len(outcomes))]


def _is_fair(arena: LiveArena, outcome: dict[str, list[str]]) -> bool:
    served, refused = outcome["served"], outcome["refused"]
    wanted = tuple(f"the arena of {arena.world.home} is served by process {pid}," for pid in served)
    return len(served) == 1 and len(refused) == RACERS - 1 and all(said.startswith(wanted) for said in refused)


def _in_the_way(arena: LiveArena, repeats: int) -> list[Figure]:
    stopped, unnamed = list[float](), list[str]()
    assert arena.daemon is not None
    for _ in range(repeats):
        second = Started(arena)
        said = second.wait()
        stopped.append(time.monotonic() - second.reached_at)
        if second.process.returncode == 0 or f"is served by process {arena.daemon.pid}" not in said:
            unnamed.append(said.strip())
    return [
        none_of("A5", "second daemons that did not stop and name the first", unnamed, repeats),
        _slowest("a second daemon stops, after it reached for the lock", stopped, STOPS_WITHIN_SECONDS),
    ]


def _after_kills(arena: LiveArena, repeats: int) -> list[Figure]:
    served, imports = list[float](), list[float]()
    for _ in range(repeats):
        arena.kill_daemon()
        new = Started(arena)
        arena.daemon = new.process
        while arena.status.get("pid") != new.process.pid:
            new.check_timeout()
            time.sleep(0.005)
        served.append(time.monotonic() - new.reached_at)
        imports.append(new.reached_at - new.begun)
    what = "after kill -9 a new daemon serves (its status is written), after it reached for the lock"
    return [
        _slowest(what, served, STARTS_WITHIN_SECONDS),
        Figure(promise="A5", what="before that, Python and imports (slowest)", figure=f"{max(imports):.2f} s"),
    ]


def _slowest(what: str, seconds: list[float], most: float) -> Figure:
    slowest = max(seconds)
    figure = f"{slowest:.2f} s (slowest of {len(seconds)})"
    return Figure(promise="A5", what=what, figure=figure, wanted=f"{most:.0f} s", kept=slowest <= most, timed=True)


class Started:
    """A daemon from its start on; made when it has reached for the lock, seen by its open files (proc(5)), or ended."""

    def __init__(self, arena: LiveArena) -> None:
        self.begun = time.monotonic()
        self._lock = str(arena.world.control / LOCK_FILE)
        self._log = arena.world.logs / "arena.log"
        self._said_before = self._log.stat().st_size if self._log.exists() else 0
        self.process = arena.open_daemon()
        while not self._reaches() and self.process.poll() is None:
            self.check_timeout()
            time.sleep(0.005)
        self.reached_at = time.monotonic()

    def wait(self) -> str:
        """For its end; what it said."""
        self.process.wait(TIMEOUT_SECONDS)
        return self._log.read_bytes()[self._said_before :].decode()

    def check_timeout(self) -> None:
        if time.monotonic() - self.begun > TIMEOUT_SECONDS:
            self.process.kill()
            self.process.wait()
            raise TimeoutError(f"a daemon did not come to its lock within {TIMEOUT_SECONDS:.0f} s")

    def _reaches(self) -> bool:
        with suppress(OSError):
            folder = f"/proc/{self.process.pid}/fd"
            for name in os.listdir(folder):
                with suppress(OSError):
                    if os.readlink(f"{folder}/{name}") == self._lock:
                        return True
        return False
