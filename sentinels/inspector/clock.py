"""Whether the clock can be believed: against heartbeats and files, and by the kernel's own word."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import psutil

from realm.disk import mailbox
from realm.disk.mailbox import Damaged
from realm.heartbeat import Heartbeat
from realm.staleness import STALE_SECONDS
from realm.world import World
from sentinels.inspector.finding import Finding, Patrolled, named, ok, warning

FUTURE_SECONDS = 120.0
"""Clocks of file servers may differ by less."""
SET_IT = "`date` shows the clock; `timedatectl set-ntp true` has it kept right"
_UNSYNCHRONIZED = 0x40
"""STA_UNSYNC of adjtimex(2)."""
_STATUS_OFFSET, _TIMEX_BYTES = 40, 208
"""In its struct timex, on machines of 64 bits."""
_ASK_SECONDS = 2.0


def look(patrolled: Patrolled) -> Iterator[Finding]:
    world, now = patrolled.world, time.time()
    found = [*_set_back(world, now), *_future_files(world, now), *_zone()]
    yield from found
    kept = _is_kept_right()
    if kept is False:
        yield warning("clock", "no time server keeps it right", SET_IT)
    elif not found:
        sentence = "it agrees with files and heartbeats" + (", and a time server keeps it right" if kept else "")
        yield ok("clock", sentence)


def _set_back(world: World, now: float) -> Iterator[Finding]:
    ahead = {name: at - now for name, at in _heartbeats(world) if at > now + STALE_SECONDS}
    if ahead:
        sentence = f"it was set back by {max(ahead.values()):.0f} s: {named(ahead)} spoke in the future"
        yield warning("clock", sentence, SET_IT, path=world.status)
    if psutil.boot_time() > now:
        yield warning("clock", "it is before the moment at which this machine was started", SET_IT)


def _heartbeats(world: World) -> Iterator[tuple[str, float]]:
    for path in world.status.glob("*.json"):
        try:
            at = Heartbeat(mailbox.read_json(path, largest_bytes=2**24)).time
        except (OSError, Damaged):
            continue
        if at is not None:
            yield path.stem, at


def _future_files(world: World, now: float) -> Iterator[Finding]:
    folders = [
        world.status,
        world.control,
        world.battles,
        world.inbox,
        *_children(world.queue),
        *_children(world.heroes),
    ]
    future = [path for folder in folders for path in _entries(folder) if _changed_at(path) > now + FUTURE_SECONDS]
    if future:
        sentence = f"changed in the future: {named(path.name for path in future)}"
        yield warning("file times", sentence, f"if the clock is right: `touch {future[0]}`", path=future[0])


def _children(folder: Path) -> list[Path]:
    return [path for path in _entries(folder) if path.is_dir()]


def _entries(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _changed_at(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except OSError:
        return 0.0


def _zone() -> Iterator[Finding]:
    """The C library takes a zone that it does not know for UTC without a word."""
    name = os.environ.get("TZ", "").removeprefix(":")
    try:
        ZoneInfo(name or "Europe/London")
    except (LookupError, ValueError, OSError):
        if name and any(mark in name for mark in "0123456789<,"):  # spelled out, as POSIX has it
            return
        sentence = f"TZ names {name}, which this machine does not know" if name else "there are no data of time zones"
        yield warning("time zone", sentence, "install tzdata (Debian: `apt-get install tzdata`), or mend TZ")


def _is_kept_right() -> bool | None:
    """Whether a time server sets this machine's clock; None where nobody tells, as in most containers."""
    if shutil.which("timedatectl") and Path("/run/systemd/system").is_dir():
        command = ["timedatectl", "show", "--property=NTPSynchronized", "--value"]
        try:
            answer = subprocess.run(command, capture_output=True, text=True, timeout=_ASK_SECONDS).stdout.strip()
        except (OSError, subprocess.TimeoutExpired):
            answer = ""
        if answer in ("yes", "no"):
            return answer == "yes"
    return _kernels_word() or None


def _kernels_word() -> bool:
    """A kernel that was told nothing says the same as one whose clock runs free, so only its yes counts."""
    timex = ctypes.create_string_buffer(_TIMEX_BYTES)
    adjtimex = getattr(ctypes.CDLL(None, use_errno=True), "adjtimex", None)
    if ctypes.sizeof(ctypes.c_long) != 8 or adjtimex is None or adjtimex(timex) < 0:
        return False
    return not int.from_bytes(timex.raw[_STATUS_OFFSET : _STATUS_OFFSET + 4], "little") & _UNSYNCHRONIZED
