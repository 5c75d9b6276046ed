"""A8: many files at once, also of one name, and while the kernel drops its file events."""

from __future__ import annotations

import os
import signal
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from watchdog.observers.inotify_c import WATCHDOG_ALL_EVENTS, InotifyConstants, inotify_add_watch, inotify_init

from tests.campaigns import twins
from tests.campaigns.hostile import Watch
from tests.campaigns.report import Figure
from tests.campaigns.resting import looked_at, resting_arena, seconds_until, seen
from tests.support.live_arena import LiveArena
from tests.support.servers import wait_until

PROMISED_SECONDS = 30.0
TIMEOUT_SECONDS = 60.0
LOOKED_AT_A_SECOND = 20
"""Slower than that is waited for no longer."""
_QUEUE_LENGTH = Path("/proc/sys/fs/inotify/max_queued_events")  # inotify(7)
_EVENT = struct.Struct("iIII")


def run(folder: Path, base: Path, *, files: int, quick: bool, **variables: str) -> list[Figure]:
    """In small, files of one name stand for all."""
    flat = f"{files} files by rename"
    return [
        *([] if quick else _flood(folder / "flat", base, flat, _flat(files), files, **variables)),
        *_flood(folder / "deep", base, f"{files} of one name in {files} folders", _deep(files), files, **variables),
        *overflow(folder / "overflow", base, files=files, **variables),
    ]


def overflow(
    folder: Path, base: Path, *, files: int, timeout_seconds: float = TIMEOUT_SECONDS, **variables: str
) -> list[Figure]:
    """The files come while the daemon is stopped and its queue of events is full: not one is told of."""
    what = f"{files} files whose file events the kernel dropped"
    return _flood(folder, base, what, _unheard(files), files, timeout_seconds, **variables)


Fall = Callable[[LiveArena], Callable[[], None]]
"""Prepares files, and gives what drops them."""


def _flood(
    folder: Path,
    base: Path,
    what: str,
    prepare: Fall,
    files: int,
    timeout_seconds: float = TIMEOUT_SECONDS,
    **variables: str,
) -> list[Figure]:
    arena = resting_arena(folder, base, **variables)
    drop = prepare(arena)
    watch = Watch(arena)
    try:
        arena.start()
        arena.wait_for(lambda: arena.status.get("state") == "resting", "the daemon serves")
        _warm_up(arena)
        watch.settle()
        drop()
        begun = time.monotonic()

        def until(count: Callable[[LiveArena], int], most: float) -> float | None:
            def done() -> bool:
                watch.look()
                return count(arena) == files + 1

            return seconds_until(done, begun, most=most)

        saw = until(seen, timeout_seconds)
        looked = until(looked_at, TIMEOUT_SECONDS + files / LOOKED_AT_A_SECOND) if saw else None
        found, crashes = seen(arena) - 1, watch.crashes()
    finally:
        arena.stop()
    growth = ", ".join(f"{part} {size / 1e6:+.0f} MB" for part, size in sorted(watch.growth.items()))
    return [
        Figure(
            promise="A8",
            what=f"{what}: a row for each, after the last was dropped",
            figure=f"{found} seen, never all" if saw is None else f"{saw:.1f} s",
            wanted=f"{PROMISED_SECONDS:.0f} s",
            kept=saw is not None and saw <= PROMISED_SECONDS and not crashes,
        ),
        Figure(promise="A8", what="until all were looked at", figure="never" if looked is None else f"{looked:.1f} s"),
        Figure(promise="A8", what="memory over that after one file", figure="; ".join([growth, *crashes])),
    ]


def _warm_up(arena: LiveArena) -> None:
    """One file, so that what both processes load for the first does not count as growth."""
    (arena.world.home / "first.jsonl").write_bytes(twins.content(10**6))
    (arena.world.home / "first.jsonl").rename(arena.world.inbox / "first.jsonl")
    arena.wait_for(lambda: looked_at(arena) == 1, "the first file is looked at")


def _flat(files: int) -> Fall:
    def prepare(arena: LiveArena) -> Callable[[], None]:
        staging = arena.world.home / "staging"
        staging.mkdir()
        staged = [staging / f"quest-{number:05}.jsonl" for number in range(files)]
        for number, path in enumerate(staged):
            path.write_bytes(twins.content(number))

        def drop() -> None:
            for path in staged:
                path.rename(arena.world.inbox / path.name)

        return drop

    return prepare


def _deep(files: int) -> Fall:
    def prepare(arena: LiveArena) -> Callable[[], None]:
        staging = arena.world.home / "staging"
        for number in range(files):
            folder = staging / f"{number:05}"
            folder.mkdir(parents=True)
            (folder / "quest.jsonl").write_bytes(twins.content(number))
        return lambda: staging.rename(arena.world.inbox / "folders") and None

    return prepare


def _unheard(files: int) -> Fall:
    def prepare(arena: LiveArena) -> Callable[[], None]:
        def drop() -> None:
            assert arena.daemon is not None
            with _stopped(arena.daemon.pid), _overflowing(arena.world.inbox):
                for number in range(files):
                    (arena.world.inbox / f"quest-{number:05}.jsonl").write_bytes(twins.content(number))

        return drop

    return prepare


@contextmanager
def _stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    # It takes effect a moment later; until then the daemon goes on reading its events.
    wait_until(lambda: all(_is_stopped(task) for task in Path(f"/proc/{pid}/task").iterdir()))
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _is_stopped(task: Path) -> bool:
    """proc(5): the state stands behind the name, which is in parentheses."""
    try:
        return (task / "stat").read_text().rpartition(")")[2].split()[0] == "T"
    except FileNotFoundError:  # it ended meanwhile
        return True


@contextmanager
def _overflowing(folder: Path) -> Iterator[None]:
    """Fills the queue of whoever watches `folder` and does not read. Raises RuntimeError where it did not overflow.

    A watch of our own, that asks for what the daemon's does, shows it.
    """
    handle = inotify_init()
    try:
        inotify_add_watch(handle, os.fsencode(folder), WATCHDOG_ALL_EVENTS)
        noise = folder / "noise.tmp"
        for _ in range(int(_QUEUE_LENGTH.read_text()) // 2 + 2):
            with open(noise, "ab"):
                pass
        noise.unlink()
        yield
        if not _overflowed(handle):
            raise RuntimeError("the kernel's queue of file events did not overflow")
    finally:
        os.close(handle)


def _overflowed(handle: int) -> bool:
    """The last event of a full queue says so; names make events longer."""
    os.set_blocking(handle, False)
    while True:
        try:
            events = os.read(handle, 1 << 16)
        except BlockingIOError:
            return False
        at = 0
        while at < len(events):
            _, mask, _, length = _EVENT.unpack_from(events, at)
            if mask & InotifyConstants.IN_Q_OVERFLOW:
                return True
            at += _EVENT.size + length
