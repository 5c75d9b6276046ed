"""Battles carried to a tool, once or for as long as they go on; what was carried is not carried again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Self

from arena.bridges.battle import run_of
from arena.bridges.contract import Tool, Writer
from arena.bridges.feed import Cursor, portions
from realm.world import World

TOOLS = {
    "tensorboard": ("arena.bridges.tensorboard", "TensorBoard"),
    "trackio": ("arena.bridges.trackio", "Trackio"),
    "wandb": ("arena.bridges.wandb", "WeightsAndBiases"),
}
LOOK_SECONDS = 2.0
MOST_OPEN = 4
"""Runs that are kept open while they are followed."""


def tool_of(name: str, out: Path) -> Tool:
    """Raises MissingTool, OSError."""
    out.mkdir(parents=True, exist_ok=True)
    module, cls = TOOLS[name]
    tool: Tool = getattr(import_module(module), cls)(out)
    return tool


@dataclass
class _Open:
    writer: Writer
    cursor: Cursor
    """Behind what was written."""


class Carrier:
    """Carries to one tool into one folder; a context manager, which closes the runs that are open."""

    def __init__(self, world: World, tool: Tool, out: Path) -> None:
        self._world, self._tool, self._out = world, tool, out
        self._open: dict[str, _Open] = {}
        self._closed: dict[str, Cursor] = {}
        """Of runs that a tool has on the disk for certain only when it is closed itself."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        for battle in list(self._open):
            self._close(battle)
        self._tool.close()
        for battle, cursor in self._closed.items():
            cursor.write(self._cursor_path(battle))

    def carry(self, battle: str) -> int:
        """Points that were new. Raises what the tool raises, and OSError."""
        folder = self._world.battles / battle
        run = self._open.get(battle)
        cursor = run.cursor if run else self._closed.get(battle) or Cursor.read(self._cursor_path(battle))
        carried = 0
        for portion in portions(folder, cursor):
            if not self._tool.appends and cursor != Cursor() and (run is None or portion.undone_after is not None):
                self._close(battle)
                self._begin(battle, Cursor(), step=0)
                return carried + self.carry(battle)
            if run is None:
                run = self._begin(
                    battle, cursor, step=cursor.step if portion.undone_after is None else portion.undone_after
                )
            elif portion.undone_after is not None:
                run.writer.begin(step=portion.undone_after)
            run.writer.write(portion.points)
            run.cursor = cursor = portion.cursor
            carried += len(portion.points)
            if self._tool.appends:
                run.writer.flush()
                cursor.write(self._cursor_path(battle))
        return carried

    def follow(self, chosen: Callable[[], Iterable[str]], wait: Callable[[float], bool]) -> None:
        """Look at the battles that are chosen now again and again, until `wait` says that it is the end."""
        while True:
            for battle in chosen():
                self.carry(battle)
            if wait(LOOK_SECONDS):
                return

    def _begin(self, battle: str, cursor: Cursor, *, step: int) -> _Open:
        while len(self._open) >= MOST_OPEN:
            self._close(next(iter(self._open)))
        run = self._open[battle] = _Open(self._tool.writer(run_of(self._world, battle)), cursor)
        run.writer.begin(step=step)
        return run

    def _close(self, battle: str) -> None:
        """A tool that begins anew has all of a run, or counts as having nothing of it."""
        if run := self._open.pop(battle, None):
            run.writer.close()
            self._closed[battle] = run.cursor

    def _cursor_path(self, battle: str) -> Path:
        return self._out / ".cursors" / f"{battle}.json"
