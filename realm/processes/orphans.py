"""Processes that outlived who started them: found by a mark that stands in their environment."""

from __future__ import annotations

from collections.abc import Iterator

import psutil

from realm.world import World


def find(world: World, variable: str) -> Iterator[tuple[psutil.Process, str]]:
    """Living processes of this world in whose environment the variable stands, with its value.

    What they started themselves inherits the mark.
    """
    for process in psutil.process_iter():
        mark = _mark(process, world, variable)
        if mark and lives(process):
            yield process, mark


def lives(process: psutil.Process) -> bool:
    """By its time of creation, too: another process may have its number now."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _mark(process: psutil.Process, world: World, variable: str) -> str | None:
    try:
        environ = process.environ()
    except (psutil.Error, OSError):
        return None
    return environ.get(variable) if environ.get("REALM_HOME") == str(world.home) else None
