"""What the daemon and the gatekeepers' process say to each other: JSON, a line each."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

from arena.gate.report import Report
from arena.gate.rules import GateRules
from arena.recipe import Recipe
from realm import strict

BEAT = b'"beat"\n'
"""From them: they got on with a file."""


@dataclass(frozen=True, kw_only=True)
class Job:
    number: int
    """Rising; the answer names it."""
    path: str
    rules: GateRules
    recipe: Recipe
    tokenizer: str | None
    """Folder; None: the hero's is not known yet, and tokens are not counted."""
    specs: dict[str, dict[str, str]] = field(default_factory=dict)
    fresh: bool = False
    """Another process let quests pass since the last job: look again which earlier ones there are."""
    in_place: bool = True
    """Leave beside the file what is found of it, as beside a quest; False: the answer is all that comes of it."""

    def to_line(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Self:
        return strict.read(cls, json.loads(line), source="job")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One of `report` and `unreadable` is given."""

    number: int
    path: str
    seen: tuple[int, ...]
    """Inode, size and time of change of the file when it was opened."""
    report: Report | None = None
    unreadable: str = ""
    kind: str = ""
    """Of what makes it unreadable."""
    model_error: str = ""
    """What is wrong with the hero's model and not with this file, whose tokens were then not counted."""
    errno: int | None = None
    """Of a trouble of the disk, which says nothing of the quest and may pass."""

    def to_line(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Self:
        return strict.read(cls, json.loads(line), source="answer")


def state_of(path: Path) -> tuple[int, int, int]:
    """Inode, size and time of change: whether a file is still the one that was looked at."""
    found = path.lstat()
    return found.st_ino, found.st_size, found.st_mtime_ns
