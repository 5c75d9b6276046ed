"""What the gatekeepers found in one quest, and the files beside it that say so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from arena.gate import row_index
from arena.gate.rules import Depth
from arena.rows.model import Refusal
from realm import strict
from realm.disk import durable

REPORT, REASON, QUARANTINE = "report.json", "reason.json", "quarantine"
ROWS, HASHES, WISHES, RECIPE = "rows.npy", "hashes.npy", "wishes.json", "recipe.yaml"
TICKET = "job.json"
OUTCOME = "outcome.json"
"""What a completed quest taught and cost; written by the daemon."""
COMPANIONS = (REPORT, REASON, QUARANTINE, ROWS, HASHES, OUTCOME, WISHES, RECIPE, TICKET)
"""What may lie beside a quest, as `<file>.<one of these>`; it moves with the quest."""
FOUND = (REPORT, REASON, QUARANTINE, ROWS, HASHES)
"""What the gatekeepers wrote; made anew when they look again."""
GIVEN = (WISHES, RECIPE, TICKET)
"""What the player gave with the quest; nobody could make it anew."""

UNREAD_KEYS = "unread-keys"
"""Kind of the one warning of keys that stand in most rows and that nobody reads; of no line, so its line is 0."""
MOST_NAMED = 1000
"""Rows that a report names; a file of a million bad lines must not fill the memory."""


@dataclass(frozen=True, kw_only=True)
class Lengths:
    """Of the taken rows, in tokens as they are packed."""

    min: int
    median: int
    mean: float
    p95: int
    max: int
    histogram: tuple[tuple[int, ...], ...] = ()
    """`(from, to, rows)`, both bounds within."""


@dataclass(frozen=True, kw_only=True)
class Report:
    quest: str
    sha256: str
    """Of the content, decompressed."""
    size_bytes: int
    """Of the content, decompressed."""
    format: str = ""
    formats: dict[str, int] = field(default_factory=dict)
    """Readable rows by format."""
    depth: str = "quick"
    rows: int = 0
    taken: int = 0
    refused_count: int = 0
    refused: tuple[Refusal, ...] = ()
    """The first MOST_NAMED in the file's order; `refused_count` counts them all."""
    refused_by_kind: dict[str, int] = field(default_factory=dict)
    set_aside: int = 0
    """Refused rows that could be trained on: copies, evaluated problems, leaks."""
    held_out: int = 0
    """Rows that are never trained on and measure what the quest teaches; neither taken nor refused."""
    held_out_note: str = ""
    """How many, and why, in one sentence."""
    rehearsed: int = 0
    """Rows of won levels and of earlier quests that its battle trained on beside its own; 0 before there was one."""
    copied_from: tuple[str, ...] = ()
    """SHA-256 of the earlier quests that have some of the refused rows."""
    warned_count: int = 0
    warnings: tuple[Refusal, ...] = ()
    """Of rows that are taken, and one of the quest's keys, of line 0; the first MOST_NAMED."""
    warned_by_kind: dict[str, int] = field(default_factory=dict)
    quarantined: int = 0
    """Refused rows that lie in the quarantine file."""
    hero_tokenizer: str | None = None
    """Digest of the tokenizer that counted; None where tokens were not counted."""
    max_length: int | None = None
    tokens: int | None = None
    trained_tokens: int | None = None
    trained_share: float | None = None
    steps: int | None = None
    """Of all epochs, by the recipe then in force."""
    packed_rows: int | None = None
    packing_efficiency: float | None = None
    lengths: Lengths | None = None
    skill: str | None = None
    level: int | None = None
    fault: Refusal | None = None
    """Why the quest as a whole is refused; line 0 where no line is to blame."""

    @property
    def spotless(self) -> bool:
        """Whether nothing is wrong with any row; keys that nobody reads are no fault."""
        return not self.refused_count and not self.warned_by_kind.keys() - {UNREAD_KEYS}

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def companion(path: Path, suffix: str) -> Path:
    return path.with_name(f"{path.name}.{suffix}")


def companions(path: Path) -> Iterator[Path]:
    """Those beside a quest that are there."""
    for suffix in COMPANIONS:
        beside = companion(path, suffix)
        if beside.exists():
            yield beside


def write_report(path: Path, report: Report) -> None:
    """Not synced: a report that is lost is made anew before the quest is fought."""
    durable.write_json(companion(path, REPORT), report.to_json(), sync=False)


def read_report(path: Path) -> Report | None:
    """None where no report lies beside the quest, or one of another version."""
    try:
        return strict.read(Report, json.loads(companion(path, REPORT).read_bytes()), source=str(path))
    except (OSError, ValueError, RecursionError):
        return None


def is_complete(path: Path) -> bool:
    """Whether all that a battle needs to know of the quest lies beside it.

    A power loss may leave the index with its length and without its marks: rows set aside would be trained on.
    """
    report, records = read_report(path), row_index.load(companion(path, ROWS))
    if report is None or records is None or len(records) != report.rows:
        return False
    lines = row_index.set_aside_lines(records)
    if len(row_index.held_out_lines(records)) != report.held_out:
        return False
    return len(lines) == report.set_aside and bool((np.diff(lines, prepend=0) > 0).all())


def write_reason(path: Path, *, reason: str, line: int | None = None, kind: str = "", **data: Any) -> None:
    """`<file>.reason.json` beside a quest in `queue/failed/`."""
    durable.write_json(
        companion(path, REASON), {"quest": path.name, "line": line, "kind": kind, "reason": reason} | data
    )


def read_reason(path: Path) -> dict[str, Any]:
    """What `write_reason` wrote beside a quest; empty where it wrote nothing."""
    try:
        value = json.loads(companion(path, REASON).read_bytes())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What the player asked of a quest when it was added."""

    force: bool = False
    hold: bool = False
    depth: Depth | None = None
    confirmed_rate: float | None = None
    """The player wants this learning rate, or any below, however it suits the hero."""


NO_WISHES = Wishes()


def write_wishes(path: Path, wishes: Wishes) -> None:
    """Before the quest itself appears at `path`, so that the daemon never sees it without."""
    if wishes != NO_WISHES:
        durable.write_json(companion(path, WISHES), asdict(wishes))
    else:
        companion(path, WISHES).unlink(missing_ok=True)


def claim_wishes(path: Path, wishes: Wishes) -> None:
    """The same for a name that others may be about to take too; no wishes claim nothing.

    Raises FileExistsError where somebody else's lie there.
    """
    if wishes != NO_WISHES:
        durable.create_bytes(companion(path, WISHES), durable.encode_json(asdict(wishes)))


def read_wishes(path: Path) -> Wishes:
    try:
        return strict.read(Wishes, json.loads(companion(path, WISHES).read_bytes()), source=str(path))
    except (OSError, ValueError):
        return NO_WISHES
