"""Which process a number meant: neither a number used again nor a clock that was set makes it another one."""

from __future__ import annotations

import functools
from pathlib import Path

import psutil

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_STARTED = 19
"""starttime, counted from what follows the name: proc(5), field 22."""


def identity(pid: int) -> str:
    """Of the living process: the machine's boot, and the kernel's ticks from there to its start.

    psutil's time of creation is no such thing: it moves with the clock. Raises psutil.Error where there is no process.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:  # gone, or a system without /proc
        return f"{psutil.Process(pid).create_time():.2f}"
    except ProcessLookupError:
        raise psutil.NoSuchProcess(pid) from None
    return f"{_boot()}-{stat.rpartition(')')[2].split()[_STARTED]}"


@functools.cache
def _boot() -> str:
    return _BOOT.read_text().partition("-")[0] if _BOOT.exists() else "boot"
