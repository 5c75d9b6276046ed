"""Looks at a quest before it may wait in the queue: every row is read, every refused row is named.

One pass over the file with a piece of it in memory; what is known of each row goes to files beside the quest.
"""

from __future__ import annotations

import math
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from arena.gate import held_out, row_index
from arena.gate import report as reports
from arena.gate.duplicates import EarlierRows, digest_of, find_twins, near_digest_of
from arena.gate.held_out import HeldOutRows
from arena.gate.report import UNREAD_KEYS, Lengths, Report
from arena.gate.row_index import ArrayWriter
from arena.gate.rules import GateRules
from arena.gate.warden import ContentWarden, EvaluatedProblems
from arena.recipe import Recipe
from arena.rows import lines, parse, thoughts
from arena.rows.example import Unfit, fitted
from arena.rows.formats import BUILT_IN, Specs
from arena.rows.limits import Limits
from arena.rows.lines import Line, stem_of
from arena.rows.mask import Mask
from arena.rows.model import Content, Kind, Refusal, Row, UnreadableQuest, shortened
from arena.rows.packing import count_rows
from arena.rows.tokenized import MaskingError, Tokenized
from arena.rows.turn_check import NO_END, TOLD_BY_LINE
from realm.quest_names import is_own_name, read_name

PIECE_ROWS = 512
PIECE_BYTES = 1_000_000
HISTOGRAM_BARS = 24
_HASH = np.dtype(np.uint64)
_DIGESTS, _NEAR = "digests.tmp", "near.tmp"
COPIES = ("duplicate", "earlier-duplicate", "near-duplicate")
LEFT_OUT = frozenset({*COPIES, "evaluated", held_out.KIND})
"""Kinds of refused rows that are not bad, only not to be trained on."""
SET_ASIDE_KINDS = LEFT_OUT | {"leak"}
"""Kinds of refused rows that the trainer would train on if it were not told."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """How quests are looked at."""

    rules: GateRules
    recipe: Recipe
    specs: Specs = BUILT_IN
    mask: Mask | None = None
    """None: tokens are not counted."""
    tokenizer_sha256: str | None = None
    evaluated: EvaluatedProblems = field(default_factory=lambda: EvaluatedProblems(()))
    earlier: EarlierRows | None = None
    held_out: HeldOutRows | None = None
    """Of earlier quests, and of this one where it was fought before."""

    @property
    def limits(self) -> Limits:
        return Limits(largest_bytes=int(self.rules.largest_gb * 1e9), largest_ratio=self.rules.largest_ratio)


@dataclass(frozen=True)
class Piece:
    """Rows that are looked at together."""

    lines: list[Line]
    rows: list[Row | Refusal]


def inspect(path: Path, look: Look, *, on_progress: Callable[[int, int], None] = lambda rows, size: None) -> Report:
    """Read every row of `path` without leaving anything beside it.

    `on_progress` is told rows and bytes read. Raises formats.UnreadableQuest if it is no file that can be read.
    """
    with tempfile.TemporaryDirectory() as scratch:
        return _Inspection(path, look, Path(scratch) / path.name[:40], on_progress).run()


def inspect_in_place(path: Path, look: Look, *, on_progress: Callable[[int, int], None]) -> Report:
    """The same, and `rows.npy`, `hashes.npy` and the quarantined rows are left beside it, the report last."""
    for stale in reports.FOUND:
        reports.companion(path, stale).unlink(missing_ok=True)
    inspection = _Inspection(path, look, path, on_progress)
    try:
        report = inspection.run()
        report = inspection.quarantine(report)
        reports.write_report(path, report)
    except BaseException:
        for half in reports.FOUND:
            reports.companion(path, half).unlink(missing_ok=True)
        raise
    return report


class _Inspection:
    """What is known of the rows read so far."""

    def __init__(self, path: Path, look: Look, beside: Path, on_progress: Callable[[int, int], None]) -> None:
        self._path, self._look, self._beside, self._on_progress = path, look, beside, on_progress
        special = look.mask.facts.special if look.mask else ()
        self._warden = ContentWarden(look.rules, look.evaluated, special)
        look.evaluated.refresh()
        if look.held_out:
            look.held_out.refresh()
        self._rows = 0
        self._refused: list[Refusal] = []
        self._warnings: list[Refusal] = []
        self._refused_kinds: Counter[str] = Counter()
        self._warned_kinds: Counter[str] = Counter()
        self._formats: Counter[str] = Counter()
        self._trained: Counter[tuple[str | None, int | None]] = Counter()
        self._has_conversations = False
        self._unread: Counter[str] = Counter()
        """Readable rows by key that nobody reads."""
        self._owners: set[str] = set()
        """File names of earlier quests that have some of the refused rows."""
        self._sha256, self._size_bytes = "", 0

    def run(self) -> Report:
        try:
            with ExitStack() as stack:
                rows = stack.enter_context(ArrayWriter(self._file(reports.ROWS), row_index.DTYPE))
                digests = stack.enter_context(ArrayWriter(self._file(_DIGESTS), _HASH))
                near = stack.enter_context(ArrayWriter(self._file(_NEAR), _HASH))
                self._read(rows, digests, near)
                for writer in (rows, digests, near):
                    writer.finish()
            self._check_turns()
            records = self._records(mode="r+")
            self._leave_out_copies(records)
            self._hold_out(records)
            return self._report(records)
        finally:
            for scratch in (_DIGESTS, _NEAR):
                self._file(scratch).unlink(missing_ok=True)

    def _records(self, *, mode: str = "r") -> row_index.Records:
        """They move with a quest that is cancelled meanwhile; then nobody waits for the answer."""
        records = row_index.load(self._file(reports.ROWS), mode=mode)
        if records is None:
            name = lines.shown(self._path.name)
            raise UnreadableQuest(f"{name} was moved while it was looked at; look again", Kind.CHANGED)
        return records

    def _tell(self) -> None:
        self._on_progress(self._rows, self._size_bytes)

    def _file(self, suffix: str) -> Path:
        return reports.companion(self._beside, suffix)

    def _read(self, rows: ArrayWriter, digests: ArrayWriter, near: ArrayWriter) -> None:
        with lines.open_quest(self._path, limits=self._look.limits) as reader:
            for piece in self._pieces(reader):
                records = np.zeros(len(piece.rows), row_index.DTYPE)
                records["line"] = [line.number for line in piece.lines]
                records["offset"] = [line.offset for line in piece.lines]
                records["tokens"] = records["trained"] = -1
                hashes = np.array([_digest(row, digest_of) for row in piece.rows], dtype=np.uint64)
                self._judge(piece, records, hashes)
                rows.append(records)
                digests.append(hashes)
                if self._look.rules.depth == "deep":
                    near.append(np.array([_digest(row, near_digest_of) for row in piece.rows], dtype=np.uint64))
                self._rows += len(piece.rows)
                self._on_progress(self._rows, piece.lines[-1].offset)
            self._sha256, self._size_bytes = reader.sha256, reader.size_bytes

    def _pieces(self, reader: Iterable[Line]) -> Iterator[Piece]:
        piece, size = Piece([], []), 0
        for line in reader:
            row = parse.parse_line(line, self._look.specs)
            if row is None:
                continue
            piece.lines.append(line)
            piece.rows.append(row)
            size += len(line.data or b"")
            if len(piece.rows) == PIECE_ROWS or size >= PIECE_BYTES:
                yield piece
                piece, size = Piece([], []), 0
        if piece.rows:
            yield piece

    def _judge(self, piece: Piece, records: row_index.Records, hashes: Any) -> None:
        readable = [(number, row) for number, row in enumerate(piece.rows) if isinstance(row, Row)]
        for number, row in enumerate(piece.rows):
            if isinstance(row, Refusal):
                self._refuse(records, number, row, row_index.UNREADABLE)
            else:
                self._formats[row.data_format] += 1
                self._trained[row.skill, row.level] += 1
                self._has_conversations |= not isinstance(row.content, str)
                self._unread.update(row.unread)
        if self._look.mask:
            self._count_tokens(self._look.mask, readable, records)
        self._ask_warden(readable, records)
        self._compare_with_earlier(readable, records, hashes)

    def _count_tokens(self, mask: Mask, readable: list[tuple[int, Row]], records: row_index.Records) -> None:
        longest = self._look.recipe.max_length
        cut = self._look.recipe.over_long == "truncate"
        endless = math.inf if cut else mask.facts.longest_token * longest
        countable = [(number, row) for number, row in readable if _characters(row) <= endless]
        for number, row in readable:
            if _characters(row) > endless:
                reason = f"its {_characters(row)} characters are more than max_length {longest} tokens can be"
                self._refuse(records, number, Refusal(row.line, reason, "too-long"), row_index.UNTRAINABLE)
        tokenized = mask.tokenize_many([row.content for _, row in countable])
        for (number, row), result in zip(countable, tokenized, strict=True):
            self._measure(records, number, row, result)

    def _measure(self, records: row_index.Records, number: int, row: Row, result: Tokenized | MaskingError) -> None:
        found = fitted(result, self._look.recipe.max_length, self._look.recipe.over_long)
        if isinstance(result, Tokenized):
            whole = found if isinstance(found, Tokenized) else result
            records["tokens"][number], records["trained"][number] = whole.slots, whole.labels
        if isinstance(found, Unfit):
            self._refuse(records, number, Refusal(row.line, shortened(found.reason), found.kind), row_index.UNTRAINABLE)
            return
        if found is not result:
            self._warn(Refusal(row.line, f"it is cut to {self._look.recipe.max_length} tokens", "cut"))
        if isinstance(found, Tokenized) and not found.ends:
            self._warn(Refusal(row.line, NO_END, "no-end"))
        if isinstance(result, Tokenized) and result.lost_thoughts:
            self._warn(Refusal(row.line, thoughts.in_words(result.lost_thoughts), "lost-thoughts"))

    def _check_turns(self) -> None:
        """What is wrong with the hero's own template, and with no line."""
        if self._look.mask and self._has_conversations:
            for warning in self._look.mask.facts.warnings:
                if warning not in TOLD_BY_LINE:
                    self._warn(Refusal(0, warning, "turns"))

    def _ask_warden(self, readable: list[tuple[int, Row]], records: row_index.Records) -> None:
        for number, row in readable:
            if records["verdict"][number] == row_index.TAKEN:
                verdict = self._warden.look(row)
                if verdict.refusal:
                    self._refuse(records, number, verdict.refusal, row_index.SET_ASIDE)
                else:
                    for warning in (*row.warnings, *verdict.warnings):
                        self._warn(warning)

    def _compare_with_earlier(self, readable: list[tuple[int, Row]], records: row_index.Records, hashes: Any) -> None:
        rules = self._look.rules
        if self._look.earlier is None or rules.duplicates == "allow" or rules.depth == "quick":
            return
        taken = [(number, row) for number, row in readable if records["verdict"][number] == row_index.TAKEN]
        owners = self._look.earlier.find(hashes[[number for number, _ in taken]])
        for (number, row), owner in zip(taken, owners, strict=True):
            if owner is not None:
                self._owners |= {owner} if rules.duplicates == "refuse" else set()
                reason = f"the same row is in the earlier quest {stem_of(owner)}"
                self._treat_copy(records, number, Refusal(row.line, reason, "earlier-duplicate"))

    def _leave_out_copies(self, records: row_index.Records) -> None:
        digests = np.lib.format.open_memmap(self._file(_DIGESTS), mode="r")
        with ArrayWriter(self._file(reports.HASHES), _HASH) as kept:
            for twins in find_twins(digests, _taken(records)):
                kept.append(twins.digests)
                self._tell()
                self._name_twins(records, twins.later, twins.first, "the same row as line", "duplicate")
            kept.finish()
        if self._look.rules.depth == "deep":
            near = np.lib.format.open_memmap(self._file(_NEAR), mode="r")
            for twins in find_twins(near, _taken(records)):
                self._tell()
                self._name_twins(records, twins.later, twins.first, "but for case and marks the row of line", COPIES[2])

    def _hold_out(self, records: row_index.Records) -> None:
        """What other quests hold out may not be trained on here; of the player's own quest some more is held out."""
        digests = np.lib.format.open_memmap(self._file(_DIGESTS), mode="r")
        own = np.zeros(len(records), dtype=bool)
        if known := self._look.held_out:
            own = _taken(records) & np.isin(digests, known.of_quest(self._sha256))
            for number in np.flatnonzero(_taken(records) & ~own & np.isin(digests, known.all())).tolist():
                owner, line = known.owner_of(int(digests[number])), int(records["line"][number])
                reason = f"it is held out of the quest {owner}: trained on, it could measure nothing any more"
                self._refuse(records, number, Refusal(line, reason, held_out.KIND), row_index.SET_ASIDE)
        rules, taken = self._look.rules, _taken(records)
        wanted = rules.held_out_of(int(taken.sum())) if is_own_name(stem_of(self._path.name)) else 0
        if wanted and not own.any():
            own = held_out.choose(digests, taken, wanted, most=rules.held_out_most)
        records["verdict"][own] = row_index.HELD_OUT

    def _name_twins(self, records: row_index.Records, later: Any, first: Any, says: str, kind: str) -> None:
        if self._look.rules.duplicates == "allow":
            return
        for number, twin in zip(later.tolist(), first.tolist(), strict=True):
            line = int(records["line"][number])
            self._treat_copy(records, number, Refusal(line, f"{says} {records['line'][twin]}", kind))

    def _treat_copy(self, records: row_index.Records, number: int, finding: Refusal) -> None:
        if self._look.rules.duplicates == "warn":
            self._warn(finding)
        else:
            self._refuse(records, number, finding, row_index.SET_ASIDE)

    def _refuse(self, records: row_index.Records, number: int, refusal: Refusal, verdict: int) -> None:
        records["verdict"][number] = verdict
        self._refused_kinds[refusal.kind] += 1
        _name(self._refused, refusal)

    def _warn(self, warning: Refusal) -> None:
        self._warned_kinds[warning.kind] += 1
        _name(self._warnings, warning)

    def _report(self, records: row_index.Records) -> Report:
        refused = self._refused_kinds.total()
        if unread := _mostly(self._unread, self._formats.total()):
            self._warn(Refusal(0, f"keys that are not read stand in most rows: {', '.join(unread)}", UNREAD_KEYS))
        name, kept = stem_of(self._path.name), len(row_index.held_out_lines(records))
        skill, level = _work_of(name, self._trained)
        report = Report(
            quest=self._path.name,
            sha256=self._sha256,
            size_bytes=self._size_bytes,
            format=", ".join(self._formats),
            formats=dict(self._formats),
            depth=self._look.rules.depth,
            rows=self._rows,
            taken=self._rows - refused - kept,
            refused_count=refused,
            refused=_first(self._refused),
            refused_by_kind=dict(self._refused_kinds.most_common()),
            set_aside=int((records["verdict"] == row_index.SET_ASIDE).sum()),
            held_out=kept,
            held_out_note=held_out.note_of(name, self._rows - refused, kept, self._look.rules),
            copied_from=self._copied_from(),
            warned_count=self._warned_kinds.total(),
            warnings=_first(self._warnings),
            warned_by_kind=dict(self._warned_kinds.most_common()),
            skill=skill,
            level=level,
            **self._tokens(records),
        )
        return replace(report, fault=_fault(report, self._look.rules))

    def _copied_from(self) -> tuple[str, ...]:
        earlier = self._look.earlier
        found = {earlier.sha256_of(name) for name in self._owners} if earlier else set()
        return tuple(sorted(sha256 for sha256 in found if sha256))

    def _tokens(self, records: row_index.Records) -> dict[str, Any]:
        recipe = self._look.recipe
        if self._look.mask is None:
            return {}
        known = {"hero_tokenizer": self._look.tokenizer_sha256, "max_length": recipe.max_length}
        counts = _count_lengths(records, recipe.max_length)
        if not counts.any():
            return known
        tokens = int(counts @ np.arange(len(counts)))
        trained = sum(
            int(part["trained"][part["verdict"] == row_index.TAKEN].sum(dtype=np.int64)) for part in _parts(records)
        )
        packed = count_rows(counts, recipe.max_length)
        return known | {
            "tokens": tokens,
            "trained_tokens": trained,
            "trained_share": trained / tokens,
            "packed_rows": packed,
            "packing_efficiency": tokens / (packed * recipe.max_length),
            "steps": -(-packed // recipe.rows_per_step) * recipe.epochs,
            "lengths": _lengths(counts),
        }

    def quarantine(self, report: Report) -> Report:
        """Copy the refused rows as they stand, up to the limit, into a file of their own."""
        if not report.refused_count:
            return report
        records = self._records()
        refused = iter(records["line"][row_index.refused(records)].tolist())
        room, copied, wanted = int(self._look.rules.quarantine_mb * 1e6), 0, next(refused, None)
        with (
            lines.open_quest(self._path, limits=self._look.limits) as reader,
            open(self._file(reports.QUARANTINE), "wb") as file,
        ):
            for line in reader:
                if wanted is None:
                    break
                self._tell()  # a large file may have its one refused row at the end
                if line.number != wanted:
                    continue
                wanted = next(refused, None)
                data = (line.data or b"").rstrip(b"\n") + b"\n"
                if line.data is not None and len(data) <= room:
                    file.write(data)
                    copied, room = copied + 1, room - len(data)
        return replace(report, quarantined=copied)


def _mostly(unread: Counter[str], rows: int) -> list[str]:
    """Keys of more than half of the rows."""
    return [repr(key) for key, count in unread.items() if 2 * count > rows]


def _digest(row: Row | Refusal, digest: Callable[[Content], int]) -> int:
    return digest(row.content) if isinstance(row, Row) else 0


def _characters(row: Row) -> int:
    return len(row.content) if isinstance(row.content, str) else sum(len(said.content) for said in row.content)


def _name(named: list[Refusal], finding: Refusal) -> None:
    """Copies are found last and may stand first, so twice as many are kept as a report names."""
    named.append(finding)
    if len(named) > 2 * reports.MOST_NAMED:
        named[:] = _first(named)


def _first(named: list[Refusal]) -> tuple[Refusal, ...]:
    return tuple(sorted(named, key=lambda finding: finding.line)[: reports.MOST_NAMED])


def _taken(records: row_index.Records) -> Any:
    return records["verdict"] == row_index.TAKEN


def _parts(records: row_index.Records) -> Iterator[row_index.Records]:
    for begin in range(0, len(records), 2**18):
        yield records[begin : begin + 2**18]


def _count_lengths(records: row_index.Records, longest: int) -> Any:
    """How many taken rows have each length, shape (longest + 1,)."""
    counts = np.zeros(longest + 1, dtype=np.int64)
    for part in _parts(records):
        counts += np.bincount(part["tokens"][_taken(part)], minlength=longest + 1)
    return counts


def _lengths(counts: Any) -> Lengths:
    (present,) = np.nonzero(counts)
    total, below = counts.sum(), np.cumsum(counts)
    least, most = int(present[0]), int(present[-1])
    width = max(1, -(-(most - least + 1) // HISTOGRAM_BARS))
    bars = tuple(
        (low, min(low + width - 1, most), int(counts[low : low + width].sum())) for low in range(least, most + 1, width)
    )
    return Lengths(
        min=least,
        median=int(np.searchsorted(below, total * 0.5)),
        mean=float(counts @ np.arange(len(counts)) / total),
        p95=int(np.searchsorted(below, total * 0.95)),
        max=most,
        histogram=bars,
    )


def _fault(report: Report, rules: GateRules) -> Refusal | None:
    """Why the quest as a whole is refused; None if it may be trained on."""
    if not report.rows:
        return Refusal(1, "the file is empty: one JSON object a line is expected", "empty")
    bad = {kind: count for kind, count in report.refused_by_kind.items() if kind not in LEFT_OUT}
    count = sum(bad.values())
    if report.taken and count <= rules.most_bad_share * report.rows:
        return None
    if not count:
        first = report.refused[0]
        return Refusal(first.line, f"no row is left to train on: {first.reason}{_of_all(report)}", "duplicate")
    first = next(refusal for refusal in report.refused if refusal.kind not in LEFT_OUT)
    kind = "bad-rows" if report.taken else first.kind
    many = f" ({count} of {report.rows} rows are bad)" if report.rows > 1 else ""
    return Refusal(first.line, first.reason + many, kind)


def _of_all(report: Report) -> str:
    kinds = ", ".join(f"{count} {kind}" for kind, count in report.refused_by_kind.items())
    return f" ({kinds}, of {report.rows} rows)" if report.rows > 1 else ""


def _work_of(name: str, trained: Mapping[tuple[str | None, int | None], int]) -> tuple[str | None, int | None]:
    """The skill and level a quest is for.

    What the forge made is for what its name says, if it has such rows: the others are rehearsal, be they of other
    skills, or a first look at the next level. Of any other quest it is the highest level of its only skill.
    """
    forged = read_name(name)
    if forged and (forged.skill, forged.level) in trained:
        return forged.skill, forged.level
    known = [(skill, level) for skill, level in trained if skill is not None and level is not None]
    if not known or len(known) != len(trained) or len({skill for skill, _ in known}) != 1:
        return None, None
    return max(known, key=lambda pair: pair[1])
