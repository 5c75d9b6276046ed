"""A quest in the terminal: its report, its rows, and each row or packed row as the hero sees it.

What is trained stands in ⟦brackets⟧, so that it can be told without colours. Quest files come from anywhere, so what
would steer a terminal (escape codes, marks that turn the writing round), and brackets of its own, are shown as signs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from rich.bar import Bar
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from arena.gate.outcome import Outcome
from arena.gate.report import Report
from arena.preview.rows import ListedRow, PackedRow, RowPreview
from arena.recipe import Recipe
from arena.rows.example import Unfit, fitted
from arena.rows.formats import Specs
from arena.rows.mask import Mask
from arena.rows.model import Refusal, Row, shortened
from arena.rows.parse import in_pieces, read_rows
from arena.rows.pieces import Piece

OPEN, CLOSE = "⟦", "⟧"
LEGEND = f"{OPEN}trained{CLOSE}  masked  <|special|>"
MOST_MEASURED = 10_000
"""Rows whose tokens are counted where no report lies beside the quest."""
MOST_REFUSALS = 10
_BINS = 8
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff⟦⟧]")


@dataclass(kw_only=True)
class Measured:
    """What the first rows of a quest come to; a part of it where there are more than MOST_MEASURED."""

    lengths: list[int] = field(default_factory=list)
    trained_tokens: int = 0
    refused: list[Refusal] = field(default_factory=list)
    whole: bool = True

    @property
    def rows(self) -> int:
        return len(self.lengths) + len(self.refused)


def measure(path: Path, mask: Mask, recipe: Recipe, specs: Specs) -> Measured:
    """Slots of each example as the trainer would pack it, and the rows that it would refuse. Raises UnreadableQuest."""
    found = Measured()
    for piece in in_pieces(read_rows(path, specs)):
        if found.rows >= MOST_MEASURED:
            found.whole = False
            break
        tokenized = iter(mask.tokenize_many([row.content for row in piece if isinstance(row, Row)]))
        for row in piece:
            if isinstance(row, Refusal):
                found.refused.append(row)
                continue
            fit = fitted(next(tokenized), recipe.max_length, recipe.over_long)
            if isinstance(fit, Unfit):
                found.refused.append(Refusal(row.line, shortened(fit.reason), fit.kind))
            else:
                found.lengths.append(fit.slots)
                found.trained_tokens += fit.labels
    return found


def histogram_of(lengths: Sequence[int]) -> list[tuple[int, int, int]]:
    """`(from, to, rows)` in equal steps, both bounds within."""
    width = max(1, -(-max(lengths) // _BINS))
    counts = [0] * -(-max(lengths) // width)
    for length in lengths:
        counts[(length - 1) // width] += 1
    return [(index * width + 1, (index + 1) * width, count) for index, count in enumerate(counts)]


def of_measured(measured: Measured) -> Iterator[RenderableType]:
    tokens, rows = sum(measured.lengths), len(measured.lengths)
    what = "rows" if measured.whole else f"of the first {measured.rows} rows"
    yield f"{rows} {what} taken, {len(measured.refused)} refused"
    if tokens:
        yield _token_line(tokens, measured.trained_tokens)
        yield _histogram(histogram_of(measured.lengths))
    yield from _refusals(measured.refused, len(measured.refused))


def of_report(report: Report) -> Iterator[RenderableType]:
    """What the gatekeepers wrote beside the quest."""
    kinds = ", ".join(f"{count} {visible(kind)}" for kind, count in report.refused_by_kind.items())
    refused = f"{report.refused_count} refused" + (f" ({kinds})" if kinds else "")
    yield f"{report.rows} rows, {report.taken} taken, {refused}, {report.warned_count} warned"
    forms = ", ".join(f"{name} {count}" for name, count in report.formats.items())
    if forms:
        yield f"forms: {forms}"
    if report.held_out_note:
        yield visible(report.held_out_note)
    if report.rehearsed:
        yield f"{report.rehearsed} rows of won levels and earlier quests were rehearsed beside them"
    if report.fault:
        yield Text(f"refused as a whole: {visible(report.fault.reason)}", style="bold red")
    if report.tokens and report.trained_tokens is not None:
        yield _token_line(report.tokens, report.trained_tokens)
    if report.packed_rows and report.packing_efficiency is not None:
        yield f"{report.packed_rows} packed rows, {report.packing_efficiency:.1%} full, {report.steps} steps"
    if report.lengths and report.lengths.histogram:
        yield _histogram([(first, last, count) for first, last, count in report.lengths.histogram])
    yield from _refusals(report.refused, report.refused_count)
    yield from _refusals(report.warnings, report.warned_count, style="yellow")


def of_outcome(outcome: Outcome) -> Iterator[RenderableType]:
    """What the quest taught and cost."""
    yield Text("what it taught and cost:", style="bold")
    for sentence in outcome.sentences():
        yield Text(f"  {visible(sentence)}", style="red" if sentence.endswith(", lost") else "")


def _refusals(first: Sequence[Refusal], count: int, *, style: str = "red") -> Iterator[RenderableType]:
    for refusal in first[:MOST_REFUSALS]:
        where = f"line {refusal.line}" if refusal.line else "all lines"
        yield Text(f"{where}: {visible(refusal.reason)}", style=style)
    if count > MOST_REFUSALS:
        yield f"… and {count - MOST_REFUSALS} more"


def _token_line(tokens: int, trained: int) -> str:
    return f"{tokens} tokens, {trained} of them trained ({trained / tokens:.1%})"


def _histogram(bins: Sequence[tuple[int, int, int]]) -> RenderableType:
    most = max(count for *_, count in bins)
    table = Table("tokens", "rows", "", box=None, padding=(0, 1))
    for first, last, count in bins:
        table.add_row(f"{first}-{last}", str(count), Bar(most, 0, count, width=40))
    return table


def of_list(rows: Sequence[ListedRow]) -> Iterator[RenderableType]:
    table = Table("line", "form", "row", box=None, padding=(0, 1))
    for row in rows:
        if row.refusal:
            reason = Text(visible(row.refusal.reason), style="red")
            table.add_row(str(row.line), Text("refused", style="red"), reason)
        else:
            table.add_row(str(row.line), row.data_format, Text(visible(row.text)))
    yield table


def of_row(row: RowPreview, max_length: int) -> Iterator[RenderableType]:
    yield Rule(f"line {row.line} · {row.data_format or 'unreadable'}", align="left")
    if row.refusal:
        yield Text(f"refused: {visible(row.refusal.reason)}", style="bold red")
    elif row.over_long:
        yield Text(f"too long: cut to {max_length} tokens, the rest is not trained on", style="bold yellow")
    if row.pieces:
        yield f"{row.tokens} tokens, {row.trained_tokens} of them trained    {LEGEND}"
        yield Padding(_told(row.pieces), (1, 2))
    else:
        yield Padding(Text(visible(row.rendered or row.raw)), (1, 2))
    if row.cut:
        yield "… only its beginning is shown"


def of_packed(row: PackedRow) -> Iterator[RenderableType]:
    fill = row.tokens / row.max_length
    yield Rule(
        f"packed row {row.number} of {row.of} · {row.tokens} of {row.max_length} tokens · {fill:.0%}", align="left"
    )
    yield f"{len(row.examples)} examples, which do not see each other; trained in step {row.step} of the first epoch"
    yield LEGEND
    for example in row.examples:
        yield Rule(f"line {example.line} · {example.tokens} tokens, {example.trained_tokens} trained", align="left")
        yield Padding(_told(example.pieces), (0, 2))


def _told(pieces: Sequence[Piece]) -> Text:
    """Stretches of trained pieces in brackets."""
    told = Text()
    for trained, stretch in groupby(pieces, key=lambda piece: piece.trained):
        told.append(OPEN if trained else "", style="green")
        for piece in stretch:
            colour = "green" if trained else "bright_black"
            told.append(_with_blanks(piece.text), style=f"bold {colour} reverse" if piece.special else colour)
        told.append(CLOSE if trained else "", style="green")
    return told


def _with_blanks(text: str) -> str:
    """Line ends and tabs are tokens like any other, so they are seen."""
    return visible(text).replace("\n", "↵\n").replace("\t", "⇥\t")


def visible(text: str) -> str:
    """`text` without what would steer a terminal; line ends and tabs stay."""
    return _STEERING.sub(lambda found: _sign(ord(found[0])), text)


def _sign(code: int) -> str:
    """Unicode has pictures of the ASCII control characters; others are named by their number."""
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else f"⟨U+{code:04X}⟩"


def printed(parts: Iterable[RenderableType], *, colours: bool = False) -> str:
    console = Console(force_terminal=colours, color_system="standard" if colours else None, highlight=False)
    with console.capture() as text:
        console.print(Group(*(Text(part) if isinstance(part, str) else part for part in parts)))
    return text.get()
