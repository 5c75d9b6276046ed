"""What the gatekeepers said of single rows of a quest, from the index and the report that lie beside it."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from arena.gate import held_out, row_index
from arena.gate.inspection import SET_ASIDE_KINDS
from arena.gate.report import REPORT, Report, companion, read_report
from arena.gate.row_index import Records
from arena.gate.row_seek import fresh_index
from arena.rows.model import Refusal

# A report names only the first refused rows.
_UNNAMED = {
    row_index.UNREADABLE: ("the gatekeepers could not read it", "unreadable"),
    row_index.UNTRAINABLE: ("the gatekeepers found that it cannot be trained on", "untrainable"),
    row_index.SET_ASIDE: ("set aside by the gatekeepers", "set-aside"),
    row_index.HELD_OUT: (held_out.REASON, held_out.KIND),
}


@dataclass(frozen=True, eq=False)
class Findings:
    index: Records | None = None
    """None where the verdict of each row is not known."""
    report: Report | None = None

    def refusal_of(self, line: int) -> Refusal | None:
        """Why it is not trained on by the gatekeepers' word, whether or not the trainer would; None too where they did
        not look."""
        if self.index is None:
            return self._named(line)
        verdict = self._verdict(line)
        return None if verdict == row_index.TAKEN else self._named(line) or Refusal(line, *_UNNAMED[verdict])

    def set_aside(self, line: int) -> Refusal | None:
        """The same for a row that the trainer would train on if it were not told: a copy, an evaluated one, a leak, or
        one that is held out."""
        if self.index is None:
            named = self._named(line)
            return named if named and named.kind in SET_ASIDE_KINDS else None
        return self.refusal_of(line) if self._verdict(line) >= row_index.SET_ASIDE else None

    @property
    def refused_count(self) -> int | None:
        """None where the index is not known."""
        return None if self.index is None else len(self._refused)

    def refused_from(self, first: int, count: int) -> list[int]:
        """The first `count` refused lines from line `first` on; none where the index is not known."""
        begin = int(np.searchsorted(self._refused, first))
        return [int(line) for line in self._refused[begin : begin + count]]

    def refused_before(self, first: int, count: int) -> int:
        """Where the last `count` refused lines in front of line `first` begin."""
        place = int(np.searchsorted(self._refused, first)) - count
        return int(self._refused[place]) if place > 0 else 1

    @functools.cached_property
    def _refused(self) -> npt.NDArray[np.uint32]:
        if self.index is None:
            return np.empty(0, np.uint32)
        lines: npt.NDArray[np.uint32] = self.index["line"][row_index.refused(self.index)]
        return lines

    def _verdict(self, line: int) -> int:
        assert self.index is not None
        place = int(np.searchsorted(self.index["line"], line))
        known = place < len(self.index) and self.index["line"][place] == line
        verdict = int(self.index["verdict"][place]) if known else row_index.TAKEN
        return verdict if verdict in _UNNAMED else row_index.TAKEN

    def _named(self, line: int) -> Refusal | None:
        refused = self.report.refused if self.report else ()
        return next((named for named in refused if named.line == line), None)


def findings_beside(path: Path) -> Findings:
    """Nothing where they are of another file that lay here before."""
    index = fresh_index(path)
    return Findings(index, read_report(path) if index is not None or _is_fresh(path) else None)


def _is_fresh(path: Path) -> bool:
    try:
        return companion(path, REPORT).stat().st_mtime_ns >= path.stat().st_mtime_ns
    except OSError:
        return False
