"""Battles and checkpoints on a mount that becomes slow in the middle of a battle: five seconds a call, then quick.

Told are the longest pause between two steps meanwhile, how old the daemon's heartbeat grew, and how late a page was.
"""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path

from arena.protocol import EVENTS_FILE, EventKind
from realm.staleness import STALE_SECONDS
from tests.campaigns.battles import steps_of
from tests.campaigns.report import Figure
from tests.campaigns.tavern import tavern
from tests.support import tiny_hero
from tests.support.live_arena import LiveArena
from tests.support.slow_disk import SlowDisk

ROWS = 60_000
SLOW_FOR_SECONDS, QUICK_SLOW_FOR_SECONDS = 40.0, 6.0
CALL_SECONDS, QUICK_CALL_SECONDS = 5.0, 0.5
MOST_PAUSE_SECONDS = 3.0
"""The patience of a first save that comes while another is written, and what a busy machine adds."""
LOOK_SECONDS = 0.25
LONGEST_PAGE_SECONDS = 30.0
"""After which an answer is waited for no longer."""
PAGES = ("/health", "/quests", "/")


class Watched:
    """What is seen from outside while the mount is slow."""

    def __init__(self) -> None:
        self.heartbeat_seconds = 0.0
        self.pages: dict[str, float] = {}
        """Seconds of each one's slowest answer."""
        self.from_step = self.to_step = 0
        self.began = self.ended = 0.0


def run(folder: Path, *, quick: bool) -> list[Figure]:
    call_seconds = QUICK_CALL_SECONDS if quick else CALL_SECONDS
    arena, disk = _placed(folder)
    arena.environment |= disk.environment
    arena.drop("quest.jsonl", ROWS, seed=1)
    watched = Watched()
    with tavern(arena.world, core=None, **disk.environment) as (port, _):
        try:
            arena.start()
            arena.wait_for(lambda: _saves(arena) >= 1, "a first checkpoint is saved", seconds=120)
            with _slow(disk, call_seconds), _watching(arena, port, watched):
                watched.began = time.time()
                time.sleep(QUICK_SLOW_FOR_SECONDS if quick else SLOW_FOR_SECONDS)
                watched.ended = time.time()
            before = _saves(arena)
            arena.wait_for(lambda: _saves(arena) > before, "a checkpoint is saved after it", seconds=120)
        finally:
            disk.call_seconds(0.0)
            arena.stop()
    return list(_figures(arena, watched, call_seconds))


def _placed(folder: Path) -> tuple[LiveArena, SlowDisk]:
    arena = LiveArena(folder / "world", tiny_hero.make_base(folder / "base"), training={"save_every": 200})
    nas = folder / "nas"
    nas.mkdir()
    for name in ("checkpoints", "battles"):
        arena.manage("place", name, str(nas))
    return arena, SlowDisk(folder / "slow", (nas, arena.world.battles, arena.world.heroes))


def _saves(arena: LiveArena) -> int:
    lines = [line for path in arena.world.battles.glob(f"*/{EVENTS_FILE}") for line in path.read_bytes().splitlines()]
    return sum(json.loads(line)["kind"] == EventKind.CHECKPOINT_SAVED for line in lines)


@contextmanager
def _slow(disk: SlowDisk, seconds: float) -> Iterator[None]:
    disk.call_seconds(seconds)
    try:
        yield
    finally:
        disk.call_seconds(0.0)


@contextmanager
def _watching(arena: LiveArena, port: int, watched: Watched) -> Iterator[None]:
    over = threading.Event()

    def beats() -> None:
        while not over.wait(LOOK_SECONDS):
            watched.heartbeat_seconds = max(watched.heartbeat_seconds, time.time() - arena.status["time"])

    def page(path: str) -> None:
        address = f"http://127.0.0.1:{port}{path}"
        while not over.wait(LOOK_SECONDS):
            started = time.monotonic()
            with suppress(OSError), urllib.request.urlopen(address, timeout=LONGEST_PAGE_SECONDS) as reply:
                reply.read()
            watched.pages[path] = max(watched.pages.get(path, 0.0), time.monotonic() - started)

    threads = [threading.Thread(target=beats), *(threading.Thread(target=page, args=(path,)) for path in PAGES)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def _figures(arena: LiveArena, watched: Watched, call_seconds: float) -> Iterator[Figure]:
    (battle,) = arena.world.battles.iterdir()
    ends = [record.time for record in steps_of(battle)]
    pauses = [later - sooner for sooner, later in pairwise(ends) if watched.began <= later and sooner <= watched.ended]
    steps = sum(watched.began <= end <= watched.ended for end in ends)
    what = f"with a mount of {call_seconds:g} s a call"
    longest = max(pauses, default=float("inf"))
    yield Figure(
        promise="P6", what=f"longest pause between two steps, {what}", figure=f"{longest:.2f} s, {steps} steps",
        wanted=f"{MOST_PAUSE_SECONDS:g} s", kept=longest <= MOST_PAUSE_SECONDS and steps > 0, timed=True,
    )  # fmt: skip
    numbers = [record.step for record in steps_of(battle)]
    whole = numbers == list(range(1, len(numbers) + 1))
    yield Figure(
        promise="A1", what="steps that its log lacks", figure="none" if whole else "some", wanted="none", kept=whole
    )
    yield Figure(
        promise="D4", what=f"oldest heartbeat of the daemon, {what}", figure=f"{watched.heartbeat_seconds:.1f} s",
        wanted=f"{STALE_SECONDS:g} s", kept=watched.heartbeat_seconds <= STALE_SECONDS, timed=True,
    )  # fmt: skip
    for path, seconds in watched.pages.items():
        yield Figure(promise="P14", what=f"slowest answer of {path}, {what}", figure=_in_words(seconds))


def _in_words(seconds: float) -> str:
    return f"none in {LONGEST_PAGE_SECONDS:.0f} s" if seconds >= LONGEST_PAGE_SECONDS else f"{seconds:.2f} s"
