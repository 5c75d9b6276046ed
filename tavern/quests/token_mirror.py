"""The truth mirror's pages: rows of a quest as the hero sees them, made ready for a browser.

A row may be 16 MB and a page must not: what is shown is capped, and what is cut is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arena.gate.findings import Findings, findings_beside
from arena.gate.row_seek import lines_from
from arena.models import Quest
from arena.preview import mirror, rows
from arena.preview.mirror import Glass
from arena.preview.rows import PackedRow, RowPreview
from arena.rows.formats import Specs
from arena.rows.model import Content, Row
from arena.rows.parse import parse_line
from arena.rows.pieces import Piece

ROWS_A_PAGE = 25
MOST_PIECES = 3000
"""Tokens that a page draws; each is an element of it."""
MOST_TABLE_ROWS = 300
MOST_BUBBLE_CHARACTERS = 6000
MOST_RAW_CHARACTERS = 20_000
MOST_TURNS = 64


@dataclass(frozen=True, slots=True)
class Token:
    """A piece as the page draws it."""

    at: int
    """Position of its first token, from 0."""
    ids: str
    shown: str
    """Blanks that the eye would miss are drawn as signs, in front of what they do."""
    trained: bool
    special: bool


@dataclass(frozen=True, kw_only=True)
class Bubble:
    role: str
    text: str
    cut: int
    """Characters that are not shown."""


@dataclass(frozen=True, kw_only=True)
class Segment:
    """An example in the picture of a packed row, 100 wide."""

    x: float
    width: float
    line: int
    tokens: int


@dataclass(frozen=True, kw_only=True)
class RowPage:
    row: RowPreview
    tokens: list[Token]
    table: list[Token]
    raw: str
    bubbles: list[Bubble]
    cuts: list[str]
    """What is not shown, in words."""
    previous: int | None
    next: int | None
    trouble: str
    """Why there are no tokens."""
    counted: bool

    @property
    def trained_share(self) -> float | None:
        return self.row.trained_tokens / self.row.tokens if self.row.tokens else None


@dataclass(frozen=True, kw_only=True)
class PackedExampleShown:
    line: int
    tokens: int
    trained: int
    pieces: list[Token]
    cut: int
    """Pieces that are not shown."""


@dataclass(frozen=True, kw_only=True)
class PackedPage:
    row: PackedRow
    examples: list[PackedExampleShown]
    segments: list[Segment]

    @property
    def filled(self) -> float:
        return self.row.tokens / self.row.max_length

    @property
    def trained(self) -> int:
        return sum(example.trained for example in self.examples)


def read_row(path: Path, line: int, through: Glass, findings: Findings | None = None) -> RowPage:
    """`findings`: as preview.preview_line has them. Raises NoSuchRow, or UnreadableQuest."""
    row, trouble = mirror.read_row(path, line, through, findings)
    tokens = tokens_of(row.pieces[:MOST_PIECES])
    bubbles, kept_back = _bubbles(path, line, through.specs)
    return RowPage(
        row=row,
        tokens=tokens,
        table=tokens[:MOST_TABLE_ROWS],
        raw=row.raw[:MOST_RAW_CHARACTERS],
        bubbles=bubbles,
        cuts=[*_cuts(row), *kept_back],
        previous=_line_before(path, line),
        next=next((found.number for found in lines_from(path, line + 1) if (found.data or b"x").strip()), None),
        trouble=trouble,
        counted=row.tokens > 0,
    )


def rows_page(path: Path, first: int, through: Glass, *, refused_only: bool) -> dict[str, Any]:
    """ROWS_A_PAGE rows from line `first` on, and where the pages beside begin. Raises UnreadableQuest."""
    findings = findings_beside(path)
    many = findings.refused_count
    only = refused_only and many is not None
    list_them = rows.list_refused if only else rows.list_rows
    listed = list_them(path, first, ROWS_A_PAGE + 1, specs=through.specs, findings=findings)
    return {
        "listed": listed[:ROWS_A_PAGE],
        "before": findings.refused_before(first, ROWS_A_PAGE) if only else max(1, first - ROWS_A_PAGE),
        "after": listed[-1].line if len(listed) > ROWS_A_PAGE else None,
        "refused_only": only,
        "refused": many,
    }


def _line_before(path: Path, line: int) -> int | None:
    """The nearest row in front, looked for among a few lines: a file may be blank for long."""
    first = max(1, line - 20)
    numbers = []
    for found in lines_from(path, first):
        if found.number >= line:
            break
        if (found.data or b"x").strip():
            numbers.append(found.number)
    return numbers[-1] if numbers else None


def _cuts(row: RowPreview) -> list[str]:
    cuts = []
    if len(row.pieces) > MOST_PIECES:
        cuts.append(f"only the first {MOST_PIECES:,} tokens are drawn, of {row.tokens:,}")
    if not row.pieces and row.cut:
        cuts.append("the row is too large to be shown whole: its beginning is shown, without tokens")
    elif row.cut or len(row.raw) > MOST_RAW_CHARACTERS:
        cuts.append("the row is too large to be shown whole: its beginning is shown")
    return cuts


def _bubbles(path: Path, line: int, specs: Specs) -> tuple[list[Bubble], list[str]]:
    found = next(lines_from(path, line), None)
    row = parse_line(found, specs) if found else None
    if not isinstance(row, Row):
        return [], []
    said = _said(row.content)
    kept_back = [f"only the first {MOST_TURNS} turns are shown, of {len(said):,}"] if len(said) > MOST_TURNS else []
    return [_bubble(role, text) for role, text in said[:MOST_TURNS]], kept_back


def _said(content: Content) -> Sequence[tuple[str, str]]:
    return [("text", content)] if isinstance(content, str) else [(said.role, said.content) for said in content]


def _bubble(role: str, text: str) -> Bubble:
    return Bubble(role=role, text=text[:MOST_BUBBLE_CHARACTERS], cut=max(0, len(text) - MOST_BUBBLE_CHARACTERS))


def read_packed(path: Path, number: int, quest: Quest, through: Glass) -> PackedPage:
    """Raises NoMirror, NoSuchRow or UnreadableQuest."""
    row = mirror.read_packed(path, number, quest.sha256, through)
    room, examples = MOST_PIECES, []
    for example in row.examples:
        shown = tokens_of(example.pieces[: max(0, room)])
        room -= len(shown)
        examples.append(
            PackedExampleShown(
                line=example.line,
                tokens=example.tokens,
                trained=example.trained_tokens,
                pieces=shown,
                cut=len(example.pieces) - len(shown),
            )
        )
    return PackedPage(row=row, examples=examples, segments=segments_of(row))


def segments_of(row: PackedRow) -> list[Segment]:
    found, at = [], 0
    for example in row.examples:
        width = 100 * example.tokens / row.max_length
        found.append(
            Segment(
                x=round(100 * at / row.max_length, 3),
                width=round(max(0.2, width - 0.15), 3),
                line=example.line,
                tokens=example.tokens,
            )
        )
        at += example.tokens
    return found


def tokens_of(pieces: Sequence[Piece]) -> list[Token]:
    found, at = [], 0
    for piece in pieces:
        ids = ", ".join(map(str, piece.ids))
        found.append(Token(at, ids, visible(piece), piece.trained, piece.special))
        at += len(piece.ids)
    return found


def visible(piece: Piece) -> str:
    """Newlines and tabs as signs in front of what they do; a blank alone as a sign, since it would be nothing."""
    if not piece.text.strip(" ") and not piece.special:
        return "·" * len(piece.text)
    return piece.text.replace("\r", "␍").replace("\n", "↵\n").replace("\t", "⇥\t")
