"""P12: what a realm without battle and browser takes of a processor and of memory, all its processes without torch."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import psutil

from arena import status as arena_status
from scripts.bench import runs
from scripts.bench.started_realm import StartedRealm, seconds_until

SECONDS, QUICK_SECONDS = 60.0, 5.0
SETTLE_SECONDS = 45.0
"""The Task Master leaves a realm that was just started in peace for 30 s, then does what is due."""
TORCH = ("arena.training", "arena.oracle")


def measure(folder: Path, *, repeats: int, quick: bool) -> dict[str, Any]:
    """One realm is enough: its minute holds every tick. `repeats` is of no use here."""
    realm = StartedRealm(folder / "world")
    with realm.started() as began:
        seconds_until(lambda: realm.answers() and arena_status.daemon_alive(realm.world), began)
        time.sleep(1.0 if quick else SETTLE_SECONDS)
        before = {process: _cpu_seconds(process) for process in realm.processes() if not _has_torch(process)}
        seconds = QUICK_SECONDS if quick else SECONDS
        time.sleep(seconds)
        shares = {process: (_cpu_seconds(process) - used) / seconds for process, used in before.items()}
        memory = {process: _proportional_bytes(process) for process in before}
        names = {process: _name(process) for process in before}
    return runs.row(
        "P12", round(100 * sum(shares.values()), 2), None, "% of one processor, idle, all processes without torch",
        memory_mb=round(sum(memory.values()) / 1e6, 1), seconds=seconds,
        by_process={
            names[process]: f"{100 * shares[process]:.2f}%, {memory[process] / 1e6:.0f} MB" for process in before
        },
    )  # fmt: skip


def _cpu_seconds(process: psutil.Process) -> float:
    """With its children that have ended; 0 for one that is gone."""
    try:
        used = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(used.user + used.system + used.children_user + used.children_system)


def _proportional_bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.NoSuchProcess:
        return 0


def _has_torch(process: psutil.Process) -> bool:
    return any(module in process.cmdline() for module in TORCH)


def _name(process: psutil.Process) -> str:
    try:
        service = process.environ().get("REALM_SERVICE")
        command = " ".join(process.cmdline()[1:4])
    except psutil.NoSuchProcess:
        return f"ended {process.pid}"
    return f"{service or command} {process.pid}"
