"""What the kernel says of a process, by `/proc`: asked every second, it must cost next to nothing."""

from __future__ import annotations

import os
from dataclasses import dataclass

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, kw_only=True)
class Sight:
    pid: int
    frozen: bool
    """A signal stopped it; one that a debugger holds is not meant."""
    wants_processor: bool
    """It runs, waits for its turn or for a disk."""
    cpu_seconds: float


def look(pid: int) -> Sight | None:
    """None of one that is gone or a zombie."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            stat = file.read()
    except OSError:
        return None
    state, *rest = stat[stat.rindex(b")") + 2 :].split()
    if state in (b"Z", b"X"):
        return None
    return Sight(
        pid=pid,
        frozen=state == b"T",
        wants_processor=state in (b"R", b"D"),
        cpu_seconds=(int(rest[10]) + int(rest[11])) / _TICKS,
    )
