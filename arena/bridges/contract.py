"""What a bridge needs of a tool."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from arena.bridges.battle import BattleRun, Point


class MissingTool(Exception):
    """The tool's package is not installed; the text says how it is."""

    def __init__(self, tool: str) -> None:
        super().__init__(f"{tool} is not installed: `.venv/bin/pip install -e '.[{tool}]'`, or `pip install {tool}`")


class Writer(Protocol):
    """One battle's run in the tool's own files."""

    def begin(self, *, step: int) -> None:
        """To be called before anything is written: what the run has of steps behind `step` is forgotten."""

    def write(self, points: Sequence[Point]) -> None: ...

    def flush(self) -> None:
        """What was written is in the tool's files when this returns."""

    def close(self) -> None: ...


class Tool(Protocol):
    appends: bool
    """Whether a run that was closed can be gone on with; else it is written anew from its first step."""

    def __init__(self, out: Path) -> None:
        """Raises MissingTool."""

    def writer(self, run: BattleRun) -> Writer: ...

    def close(self) -> None:
        """All that was written is on the disk when this returns."""
