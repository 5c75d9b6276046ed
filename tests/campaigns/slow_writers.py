"""A7: programs that write their quests slowly into the inbox and the lanes; no quest may be half of a file."""

from __future__ import annotations

import hashlib
import os
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from arena.queue.inbox import SETTLE_SECONDS
from tests.campaigns import twins
from tests.campaigns.report import Figure, none_of
from tests.campaigns.resting import resting_arena, rows, seconds_until
from tests.support.live_arena import LiveArena

CONTENTS = 40
"""Of ROWS rows each, in one writer's file."""
CHUNKS = 12
LONGEST_PAUSE_SECONDS = 0.6
REOPENED_WITHIN_SECONDS = 0.03
CLOCK_TICK_SECONDS = 0.01
"""By as much a file may seem older than it is."""
MOST_ATTEMPTS = 20
TIMEOUT_SECONDS = 60.0
MANNERS = ("kept open", "kept open in a lane", "reopened", "renamed when whole", "renamed while open")


@dataclass
class Writer:
    """One program. What it found out stands in `sha256`, `late` and `taken` when it is done."""

    arena: LiveArena
    number: int
    manner: str
    seed: int
    held_seconds: float
    """A pause before the last chunk, for as long as the file is there."""
    sha256: str = ""
    path: Path = Path()
    late: int = 0
    """Attempts in which this machine was too slow to reopen the file within the settle time: they do not count."""
    taken: str = ""
    """Said where the file was gone although it was open for writing, or closed for less than the settle time."""

    def write(self) -> None:
        data = b"".join(twins.content(self.number * CONTENTS + each) for each in range(CONTENTS))
        self.sha256 = hashlib.sha256(data).hexdigest()
        dice = random.Random(self.seed)
        for attempt in range(MOST_ATTEMPTS):
            self.path = self._folder() / f"writer-{self.number:03}-{attempt}.jsonl"
            if self._reopening(data, dice) if self.manner == "reopened" else self._open(data, dice):
                return
            self.late += 1
        raise RuntimeError(f"writer {self.number} never reopened its file in time: this machine is too busy")

    def _folder(self) -> Path:
        return self.arena.world.lane("high") if self.manner.endswith("in a lane") else self.arena.world.inbox

    def _open(self, data: bytes, dice: random.Random) -> bool:
        renamed = self.manner.startswith("renamed")
        first = self.path.with_suffix(".part") if renamed else self.path
        at_rename = {"renamed while open": CHUNKS // 2, "renamed when whole": CHUNKS}.get(self.manner)
        with open(first, "xb", buffering=0) as file:
            for number, chunk in enumerate(_chunks(data, dice)):
                if number == at_rename:
                    first.rename(self.path)
                file.write(chunk)
                time.sleep(dice.random() * LONGEST_PAUSE_SECONDS)
                if number == CHUNKS - 2:
                    begun = time.monotonic()
                    seconds_until(lambda: not self.path.exists(), begun, most=self.held_seconds)
            if at_rename != CHUNKS and not self.path.exists():
                self.taken = f"{self.path.name} was taken while it was open"
        if at_rename == CHUNKS:
            first.rename(self.path)
        return True

    def _reopening(self, data: bytes, dice: random.Random) -> bool:
        """Each chunk is appended and the file closed. False where a reopening came too late to be judged."""
        changed_at = None
        for number, chunk in enumerate(_chunks(data, dice)):
            try:
                handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | (0 if number else os.O_CREAT | os.O_EXCL))
            except FileNotFoundError:
                handle = None
            gap = time.monotonic() - changed_at if changed_at else 0.0
            if gap > SETTLE_SECONDS - CLOCK_TICK_SECONDS:
                if handle is not None:
                    os.close(handle)
                return False
            if handle is None:
                self.taken = f"{self.path.name} was taken {gap:.3f} s after it was closed"
                return True
            changed_at = time.monotonic()
            os.write(handle, chunk)
            os.close(handle)
            time.sleep(dice.random() * REOPENED_WITHIN_SECONDS)
        return True


def _chunks(data: bytes, dice: random.Random) -> Iterator[bytes]:
    """CHUNKS pieces, cut anywhere."""
    cuts = sorted(dice.sample(range(1, len(data)), CHUNKS - 1))
    yield from (data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True))


def run(folder: Path, base: Path, *, seed: int, writers: int, held_seconds: float, **variables: str) -> list[Figure]:
    """The first writer holds its file open for `held_seconds`."""
    arena = resting_arena(folder, base, **variables)
    dice = random.Random(seed)
    crowd = [
        Writer(arena, number, MANNERS[number % len(MANNERS)], dice.randrange(2**32), 0.0 if number else held_seconds)
        for number in range(writers)
    ]
    try:
        arena.start()
        arena.wait_for(lambda: arena.status.get("state") == "resting", "the daemon serves")
        _write_all(crowd)
        begun = time.monotonic()
        seconds_until(lambda: _settled(arena, crowd), begun, most=TIMEOUT_SECONDS)
        return _figures(arena, crowd, held_seconds)
    finally:
        arena.stop()


def _write_all(crowd: list[Writer]) -> None:
    threads = [threading.Thread(target=writer.write) for writer in crowd]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _settled(arena: LiveArena, crowd: list[Writer]) -> bool:
    """Whether the gatekeepers have looked at each writer's file and at whatever else came."""
    found = rows(arena)
    return {writer.path.stem for writer in crowd} <= {row.name for row in found if row.state != "arrived"} and all(
        row.state != "arrived" for row in found
    )


def _figures(arena: LiveArena, crowd: list[Writer], held_seconds: float) -> list[Figure]:
    digests: dict[str, list[str]] = {}
    for row in rows(arena):
        digests.setdefault(row.name, []).append(row.sha256)
    partial = [
        f"{writer.path.name} ({writer.manner}): {found or 'no quest'}"
        for writer in crowd
        if (found := digests.get(writer.path.stem, [])) != [writer.sha256]
    ]
    taken = [writer.taken for writer in crowd if writer.taken]
    late = sum(writer.late for writer in crowd)
    manners = ", ".join(f"{sum(writer.manner == manner for writer in crowd)} {manner}" for manner in MANNERS)
    return [
        Figure(promise="A7", what="slow writers", figure=f"{manners}; one held open {held_seconds:.0f} s"),
        none_of("A7", "quests that are not the finished file, by digest", partial, len(crowd)),
        none_of("A7", "files taken while open, or before they were still for the settle time", taken, len(crowd)),
        Figure(promise="A7", what="reopenings this machine was too slow for, written anew", figure=late),
    ]
