"""Looks at a quest file before it may wait in the queue: every row is read, every refused row is named."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from arena.formats import Refusal, Row, read_rows
from realm import durable, sidecar

MOST_BAD_SHARE = 0.1
"""A quest with a larger share of bad rows is refused as a whole."""

MOST_NAMED = 1000
"""Refused rows that a report names; a file of a million bad lines must not fill the memory."""


@dataclass(frozen=True, kw_only=True)
class Inspection:
    sha256: str
    size_bytes: int
    rows: int
    taken: int
    refused: list[Refusal] = field(default_factory=list)
    """The first MOST_NAMED of the refused rows; `rows - taken` counts them all."""
    data_format: str = ""
    skill: str | None = None
    level: int | None = None

    @property
    def refused_count(self) -> int:
        return self.rows - self.taken

    @property
    def fault(self) -> Refusal | None:
        """Why the file as a whole is refused; None if it may be trained on."""
        if self.rows == 0:
            return Refusal(1, "the file is empty: one JSON object a line is expected")
        if self.taken == 0 or self.refused_count > MOST_BAD_SHARE * self.rows:
            first = self.refused[0]
            many = f" ({self.refused_count} of {self.rows} rows are bad)" if self.rows > 1 else ""
            return Refusal(first.line, first.reason + many)
        return None

    def to_report(self, name: str) -> dict[str, Any]:
        return {
            "quest": name,
            "sha256": self.sha256,
            "format": self.data_format,
            "rows": self.rows,
            "taken": self.taken,
            "refused_count": self.refused_count,
            "refused": [{"line": refusal.line, "reason": refusal.reason} for refusal in self.refused],
        }


def inspect(path: Path) -> Inspection:
    """Read every row, one in memory at a time. Raises formats.UnreadableQuest if it is not a file that can be read."""
    rows = taken = 0
    refused: list[Refusal] = []
    formats: dict[str, None] = {}
    trained: set[tuple[str | None, int | None]] = set()
    for row in read_rows(path):
        rows += 1
        if isinstance(row, Row):
            taken += 1
            formats[row.data_format] = None
            trained.add((row.skill, row.level))
        elif len(refused) < MOST_NAMED:
            refused.append(row)
    skill, level = _hardest(trained)
    return Inspection(
        sha256=sidecar.digest(path),
        size_bytes=path.stat().st_size,
        rows=rows,
        taken=taken,
        refused=refused,
        data_format=", ".join(formats),
        skill=skill,
        level=level,
    )


def _hardest(trained: set[tuple[str | None, int | None]]) -> tuple[str | None, int | None]:
    """The skill and level a quest is for: its highest level, the lower ones being rehearsal."""
    known = [(skill, level) for skill, level in trained if skill is not None and level is not None]
    if len(known) != len(trained) or len({skill for skill, _ in known}) != 1:
        return None, None
    return max(known, key=lambda pair: pair[1])


def write_report(path: Path, inspection: Inspection) -> None:
    """`<name>.report.json` beside the quest: rows, taken, and each refused row by line and reason."""
    durable.write_json(companion(path, "report.json"), inspection.to_report(path.name))


def write_reason(path: Path, *, line: int | None, reason: str, **data: Any) -> None:
    """`<name>.reason.json` beside a quest in `queue/failed/`."""
    durable.write_json(companion(path, "reason.json"), {"quest": path.name, "line": line, "reason": reason} | data)


def read_reason(path: Path) -> str:
    """What `write_reason` wrote beside a quest; empty where it wrote nothing."""
    try:
        return str(json.loads(companion(path, "reason.json").read_bytes())["reason"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return ""


def companion(path: Path, suffix: str) -> Path:
    return path.with_name(f"{path.name}.{suffix}")
