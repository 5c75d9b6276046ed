"""Lines of a quest by their number: by the gatekeepers' index where it lies beside the file, else by reading on."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np

from arena.gate import row_index
from arena.gate.report import REPORT, ROWS, companion
from arena.gate.row_index import Records
from arena.rows.limits import INSPECTED, LARGEST_LINE_BYTES, LIMITS, Limits
from arena.rows.lines import Line, open_quest, suffix_of


def fresh_index(path: Path) -> Records | None:
    """The index beside a quest, mapped; None if there is none, or one of another file that lay here before."""
    index = companion(path, ROWS)
    try:
        facts = index.lstat()
        # A pipe would never be opened; a folder of the player's may hold anything.
        if not stat.S_ISREG(facts.st_mode) or facts.st_mtime_ns < path.stat().st_mtime_ns:
            return None
    except OSError:
        return None
    return row_index.load(index)


def limits_of(path: Path) -> Limits:
    """None for what the gatekeepers let pass by limits of their own."""
    return INSPECTED if companion(path, REPORT).exists() else LIMITS


def lines_from(path: Path, first: int) -> Iterator[Line]:
    """The lines from number `first` on, empty ones left out. Raises UnreadableQuest."""
    index = fresh_index(path)
    if index is not None:
        place = int(np.searchsorted(index["line"], first))
        found = _seek(path, index, place) if place < len(index) else iter(())
        if found is not None:
            yield from found
            return
    with open_quest(path, limits_of(path), hashed=False) as lines:
        yield from (line for line in lines if line.number >= first)


def lines_at(path: Path, numbers: Collection[int]) -> dict[int, Line]:
    """The lines of these numbers that are there. Raises UnreadableQuest."""
    wanted = set(numbers)
    index = fresh_index(path)
    if index is not None:
        places = np.searchsorted(index["line"], sorted(wanted)).tolist()
        found = [next(_seek(path, index, place) or iter(()), None) for place in places if place < len(index)]
        by_number = {line.number: line for line in found if line is not None}
        if wanted <= by_number.keys():
            return {number: by_number[number] for number in wanted}
    found_by_reading: dict[int, Line] = {}
    with open_quest(path, limits_of(path), hashed=False) as lines:
        for line in lines:
            if line.number in wanted:
                found_by_reading[line.number] = line
                if len(found_by_reading) == len(wanted):
                    break
    return found_by_reading


def _seek(path: Path, index: Records, place: int) -> Iterator[Line] | None:
    """The lines from the index's record `place` on; None if the file cannot be entered there."""
    if suffix_of(path.name) not in (None, ".jsonl"):
        return None
    number, offset = int(index["line"][place]), int(index["offset"][place])
    return _lines_behind(path, number, offset) if _begins_line(path, number, offset) else None


def _begins_line(path: Path, number: int, offset: int) -> bool:
    with open(_handle(path), "rb") as file:
        if offset >= os.fstat(file.fileno()).st_size:
            return False
        file.seek(max(offset - 1, 0))
        # The first line may begin behind a byte-order mark.
        return number == 1 or file.read(1) == b"\n"


def _lines_behind(path: Path, number: int, offset: int) -> Iterator[Line]:
    with open(_handle(path), "rb") as file:
        file.seek(offset)
        while data := file.readline(LARGEST_LINE_BYTES + 1):
            start, offset = offset, offset + len(data)
            too_long = len(data) > LARGEST_LINE_BYTES and not data.endswith(b"\n")
            while too_long and data and not data.endswith(b"\n"):
                data = file.readline(LARGEST_LINE_BYTES)
                offset += len(data)
            if too_long or data != b"\n":
                yield Line(number, start, None if too_long else data.removesuffix(b"\n"))
            number += 1


def _handle(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
