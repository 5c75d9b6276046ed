"""The truth mirror: a quest's rows as the hero sees them, token by token, by the trainer's own code.

What is trained on is what the trainer will train on: the same reader, template, masks, refusals, order and packing.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import NoReturn

import numpy as np
import numpy.typing as npt

from arena.gate import row_index
from arena.gate.findings import Findings, findings_beside
from arena.gate.report import REPORT, ROWS, companion, read_report
from arena.gate.row_index import Records, left_out_lines
from arena.gate.row_seek import fresh_index, limits_of, lines_at, lines_from
from arena.recipe import Recipe
from arena.rows.example import Unfit, fitted
from arena.rows.formats import BUILT_IN, Specs
from arena.rows.lines import Line
from arena.rows.mask import Mask
from arena.rows.model import Content, Kind, Refusal, Row, UnreadableQuest, shortened
from arena.rows.packing import PackedOrder, Rows
from arena.rows.parse import in_pieces, parse_line, read_rows
from arena.rows.pieces import Piece
from arena.rows.tokenized import MaskingError, Tokenized

RAW_BYTES = 64 * 1024
RENDERED_CHARACTERS = 200_000
MOST_TOKENS = 20_000
"""Of a row that are shown as pieces; a row of a million tokens is no use to anybody's eyes."""
LISTED_CHARACTERS = 160
"""Of a row in a list."""


class NoSuchRow(LookupError):
    """The quest has no such line or packed row; the text says what it has."""


@dataclass(frozen=True, slots=True)
class RowPreview:
    line: int
    data_format: str
    """Empty for a row that cannot be read."""
    raw: str
    """The first RAW_BYTES of the line."""
    refusal: Refusal | None
    """Why it is not trained on, in the words of the trainer, or of the gatekeepers where they set it aside."""
    rendered: str
    """The chat template's text, or the plain one; empty where the template refuses."""
    pieces: tuple[Piece, ...]
    tokens: int
    """Slots as they are packed, or would be if the row were not too long; 0 where there is no mask to tell."""
    trained_tokens: int
    over_long: bool
    """Longer than `max_length`: refused, or cut, in which case what is cut off is not trained."""
    cut: bool
    """Whether the row is too large to be shown whole: `raw`, `rendered` or `pieces` is its beginning only."""


@dataclass(frozen=True, slots=True)
class PackedExample:
    line: int
    pieces: tuple[Piece, ...]
    """Up to the last token that is trained on; what stands behind it is not computed."""
    tokens: int
    trained_tokens: int


@dataclass(frozen=True, slots=True)
class PackedRow:
    number: int
    """Counted from 1 to `of`."""
    of: int
    examples: tuple[PackedExample, ...]
    tokens: int
    max_length: int
    step: int
    """Optimizer step of each battle's first epoch that it is trained in, counted from 1."""


@dataclass(frozen=True, slots=True)
class ListedRow:
    line: int
    data_format: str
    """Empty for a row that cannot be read."""
    refusal: Refusal | None
    text: str
    """The row in one line, shortened."""


def preview_line(
    path: Path,
    line: int,
    *,
    mask: Mask | None,
    max_length: int,
    over_long: str = "refuse",
    specs: Specs = BUILT_IN,
    findings: Findings | None = None,
) -> RowPreview:
    """The row in line `line`, counted from 1. Without a mask (no tokenizer at hand) it has no pieces.

    `findings`: what the gatekeepers said of the file; what lies beside it where they are not given.
    Raises NoSuchRow, or UnreadableQuest if the file as a whole cannot be read.
    """
    found, row = row_at(path, line, specs)
    raw, raw_cut = _raw(found)
    if isinstance(row, Refusal):
        return RowPreview(line, "", raw, row, "", (), 0, 0, over_long=False, cut=raw_cut)
    findings = findings or findings_beside(path)
    if mask is None:
        refusal = findings.refusal_of(line)
        return RowPreview(line, row.data_format, raw, refusal, "", (), 0, 0, over_long=False, cut=raw_cut)
    shown = _of_row(row, raw, mask, max_length, over_long, raw_cut)
    set_aside = findings.set_aside(line)
    return _untrained(shown, set_aside) if set_aside else shown


def row_at(path: Path, line: int, specs: Specs) -> tuple[Line, Row | Refusal]:
    """The line `line`, counted from 1, and what it holds. Raises NoSuchRow or UnreadableQuest."""
    found = next(lines_from(path, line), None)
    if found is None:
        raise NoSuchRow(f"{path.name} has no line {line}")
    row = parse_line(found, specs) if found.number == line else None
    if row is None:
        raise NoSuchRow(f"line {line} of {path.name} is blank")
    return found, row


def _untrained(row: RowPreview, why: Refusal) -> RowPreview:
    """A row that the trainer is told to pass over."""
    pieces = tuple(replace(piece, trained=False) for piece in row.pieces)
    return replace(row, refusal=why, pieces=pieces, trained_tokens=0)


def _of_row(row: Row, raw: str, mask: Mask, max_length: int, over_long: str, raw_cut: bool) -> RowPreview:
    (tokenized,) = mask.tokenize_many([row.content])
    rendered = _rendered(mask, row.content)
    fit = fitted(tokenized, max_length, over_long)
    refusal = Refusal(row.line, shortened(fit.reason), fit.kind) if isinstance(fit, Unfit) else None
    if isinstance(tokenized, MaskingError):
        ids = _encoded(mask, rendered[:RENDERED_CHARACTERS]) if rendered else []
        shown, slots, labels = Tokenized(ids, [False] * len(ids)), 0, 0
        too_long = False
    else:
        # A refused row is shown with the mask that it would have.
        shown = tokenized if isinstance(fit, Unfit) else fit
        slots, labels = shown.slots, shown.labels
        too_long = tokenized.slots > max_length
        ids = tokenized.input_ids
    return RowPreview(
        line=row.line,
        data_format=row.data_format,
        raw=raw,
        refusal=refusal,
        rendered=rendered[:RENDERED_CHARACTERS],
        pieces=tuple(_pieces(mask, ids[:MOST_TOKENS], _labels(shown))),
        tokens=slots,
        trained_tokens=labels,
        over_long=too_long,
        cut=raw_cut or len(rendered) > RENDERED_CHARACTERS or len(ids) > MOST_TOKENS,
    )


def preview_packed(
    path: Path,
    number: int,
    *,
    mask: Mask,
    recipe: Recipe,
    quest_sha256: str,
    specs: Specs = BUILT_IN,
) -> PackedRow:
    """The packed row `number`, counted from 1, of those that a battle on this quest trains on.

    Lengths come from the gatekeepers' index where it was made with this tokenizer and recipe; else every row is
    tokenised, which takes as long as when a battle begins. Raises NoSuchRow or UnreadableQuest.
    """
    ask = functools.partial(_packed, path, _state(path), mask, recipe, quest_sha256, tuple(specs))
    row = _packed_row(path, number, ask(), mask, recipe, specs)
    # None: the index beside the quest says what is not so.
    return row or _packed_row(path, number, ask(counted=True), mask, recipe, specs) or _changed(path)


def _changed(path: Path) -> NoReturn:
    raise UnreadableQuest(f"{path.name} changed while it was read; look again", Kind.CHANGED)


def _packed_row(path: Path, number: int, packed: _Packed, mask: Mask, recipe: Recipe, specs: Specs) -> PackedRow | None:
    """None if the rows are not of the lengths by which they were packed."""
    if not 1 <= number <= len(packed.rows):
        raise NoSuchRow(f"{path.name} is packed into {len(packed.rows)} rows; there is no number {number}")
    chosen = packed.rows[number - 1]
    examples = tuple(_examples(path, packed.lines[chosen].tolist(), mask, recipe, specs))
    if not _are_long(examples, packed.lengths[chosen]):
        return None
    return PackedRow(
        number=number,
        of=len(packed.rows),
        examples=examples,
        tokens=sum(example.tokens for example in examples),
        max_length=recipe.max_length,
        step=int(np.flatnonzero(packed.order == number - 1)[0]) // recipe.rows_per_step + 1,
    )


def _are_long(examples: Sequence[PackedExample], lengths: npt.NDArray[np.int32]) -> bool:
    return bool([example.tokens for example in examples] == lengths.tolist())


def knows_packing(path: Path, *, mask: Mask, recipe: Recipe, quest_sha256: str) -> bool:
    """Whether `preview_packed` answers at once, however large the quest."""
    index = fresh_index(path)
    return index is not None and _counted_alike(path, index, mask, recipe, quest_sha256)


def _examples(path: Path, numbers: Sequence[int], mask: Mask, recipe: Recipe, specs: Specs) -> Iterator[PackedExample]:
    found = lines_at(path, numbers)
    rows = [parse_line(found[number], specs) for number in numbers if number in found]
    readable = [row for row in rows if isinstance(row, Row)]
    for row, tokenized in zip(readable, mask.tokenize_many([row.content for row in readable]), strict=True):
        fit = fitted(tokenized, recipe.max_length, recipe.over_long)
        if isinstance(fit, Tokenized):
            pieces = tuple(_pieces(mask, fit.input_ids[: fit.slots + 1], _labels(fit)))
            yield PackedExample(row.line, pieces, fit.slots, fit.labels)


@dataclass(frozen=True, slots=True, eq=False)
class _Packed:
    lines: npt.NDArray[np.int64]
    """Of each example, in the file's order."""
    lengths: npt.NDArray[np.int32]
    rows: Rows
    order: npt.NDArray[np.int64]
    """In which the first epoch goes through the rows."""


@functools.lru_cache(maxsize=1)
def _packed(
    path: Path,
    state: tuple[int, ...],
    mask: Mask,
    recipe: Recipe,
    quest_sha256: str,
    specs: Specs,
    *,
    counted: bool = False,
) -> _Packed:
    """Kept for whoever looks at one row after the other, while the file and its index stay as `state` has them.

    `counted`: every row is tokenised, whatever lengths the index has.
    """
    index = fresh_index(path)
    if not counted and index is not None and _counted_alike(path, index, mask, recipe, quest_sha256):
        taken = index[index["verdict"] == row_index.TAKEN]
        lines, lengths = taken["line"].astype(np.int64), taken["tokens"].astype(np.int32)
    else:
        passed_over = frozenset(left_out_lines(index).tolist()) if index is not None else frozenset()
        lines, lengths = _count(path, mask, recipe, passed_over, specs)
    order = PackedOrder(recipe.seed, quest_sha256)
    rows = order.rows(lengths, recipe.max_length) if len(lengths) else Rows(lines, np.zeros(1, np.int64))
    return _Packed(lines, lengths, rows, order.of_epoch(len(rows), 0))


def _counted_alike(path: Path, index: Records, mask: Mask, recipe: Recipe, quest_sha256: str) -> bool:
    """Whether the index counts the tokens that this recipe would train on."""
    report = read_report(path)
    if report is None or (report.sha256, report.hero_tokenizer) != (quest_sha256, mask.facts.sha256):
        return False
    taken = index["verdict"] == row_index.TAKEN
    if report.max_length != recipe.max_length or (index["tokens"][taken] < 1).any():
        return False
    if recipe.over_long == "refuse":
        return not report.warned_by_kind.get("cut")
    return not ((index["verdict"] == row_index.UNTRAINABLE) & (index["tokens"] > recipe.max_length)).any()


def _count(
    path: Path, mask: Mask, recipe: Recipe, passed_over: frozenset[int], specs: Specs
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """Line and slots of each example, by reading and tokenising every row."""
    lines: list[int] = []
    lengths: list[int] = []
    rows = (row for row in read_rows(path, specs, limits_of(path)) if row.line not in passed_over)
    for piece in in_pieces(rows):
        readable = [row for row in piece if isinstance(row, Row)]
        for row, tokenized in zip(readable, mask.tokenize_many([row.content for row in readable]), strict=True):
            fit = fitted(tokenized, recipe.max_length, recipe.over_long)
            if isinstance(fit, Tokenized):
                lines.append(row.line)
                lengths.append(fit.slots)
    return np.array(lines, np.int64), np.array(lengths, np.int32)


def _state(path: Path) -> tuple[int, ...]:
    """What changes when the file or what lies beside it does."""
    files = [beside.stat() for beside in (path, companion(path, ROWS), companion(path, REPORT)) if beside.exists()]
    return tuple(value for found in files for value in (found.st_ino, found.st_size, found.st_mtime_ns))


def list_rows(
    path: Path, first: int, count: int, *, specs: Specs = BUILT_IN, findings: Findings | None = None
) -> list[ListedRow]:
    """The first `count` rows from line `first` on; blank lines are none. Raises UnreadableQuest."""
    findings = findings or findings_beside(path)
    rows = (_listed(line, specs, findings) for line in lines_from(path, first))
    return list(islice((row for row in rows if row is not None), count))


def list_refused(path: Path, first: int, count: int, *, findings: Findings, specs: Specs = BUILT_IN) -> list[ListedRow]:
    """The same of the rows alone that the gatekeepers refused, by their index."""
    return list_lines(path, findings.refused_from(first, count), findings=findings, specs=specs)


def list_lines(
    path: Path, numbers: Collection[int], *, specs: Specs = BUILT_IN, findings: Findings | None = None
) -> list[ListedRow]:
    """The rows of those of these lines that are there, in the order of `numbers`. Raises UnreadableQuest."""
    findings = findings or findings_beside(path)
    lines = lines_at(path, numbers) if numbers else {}
    rows = (_listed(lines[number], specs, findings) for number in numbers if number in lines)
    return [row for row in rows if row is not None]


def _listed(line: Line, specs: Specs, findings: Findings) -> ListedRow | None:
    row = parse_line(line, specs)
    if isinstance(row, Refusal):
        return ListedRow(row.line, "", row, _in_one_line(_raw(line)[0]))
    if row is None:
        return None
    return ListedRow(row.line, row.data_format, findings.refusal_of(row.line), _in_one_line(_told(row.content)))


def _told(content: Content) -> str:
    if isinstance(content, str):
        return content
    return "  ".join(f"{message.role}: {message.content[:LISTED_CHARACTERS]}" for message in content[:8])


def _in_one_line(text: str) -> str:
    words = " ".join(text[: 2 * LISTED_CHARACTERS].split())
    return words if len(words) <= LISTED_CHARACTERS else f"{words[: LISTED_CHARACTERS - 1]}…"


def _raw(line: Line) -> tuple[str, bool]:
    if line.data is None:
        return "", True
    return line.data[:RAW_BYTES].decode(errors="replace"), len(line.data) > RAW_BYTES


def _rendered(mask: Mask, content: Content) -> str:
    try:
        return mask.rendered(content)
    except MaskingError:
        return ""


def _labels(tokenized: Tokenized) -> list[bool]:
    """Which tokens are labels: all that are trained but the first, which nothing predicts."""
    return [False, *tokenized.trained[1:]]


def _encoded(mask: Mask, text: str) -> list[int]:
    """Nothing where the tokenizer takes too long for it: the row is refused, and says so."""
    try:
        return mask.encode(text)
    except MaskingError:
        return []


def _pieces(mask: Mask, ids: Sequence[int], labels: Sequence[bool]) -> Sequence[Piece]:
    """None where the tokenizer takes too long to read its own tokens."""
    try:
        return mask.pieces(ids, labels)
    except MaskingError:
        return ()
