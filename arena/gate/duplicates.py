"""Rows that are copies of other rows, found by 64-bit digests of what they say, in bounded memory.

Two different rows of a quest of ten million have the same digest about once in 400,000 quests.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from arena.gate.report import HASHES, companion, read_report
from arena.rows.model import Content

BUCKET_ROWS = 2**20
MOST_EARLIER_ROWS = 8_000_000
"""Rows of earlier quests that are remembered, the newest; 12 bytes each."""
_MOST_PARTS = 32
_NOT_A_WORD = re.compile(r"[\W_]+")
Digests = npt.NDArray[np.uint64]


def digest_of(content: Content) -> int:
    """Equal for rows that say the same: roles and texts, whatever the format they were written in."""
    return _digest(_parts(content))


def near_digest_of(content: Content) -> int:
    """Equal too where only case, blanks and punctuation differ."""
    return _digest(_NOT_A_WORD.sub(" ", part.casefold()).strip() for part in _parts(content))


def _parts(content: Content) -> Iterable[str]:
    if isinstance(content, str):
        return "", content
    return (part for said in content for part in (f"{said.role}{' given' if said.given else ''}", said.content))


def _digest(parts: Iterable[str]) -> int:
    state = hashlib.blake2b(digest_size=8)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        state.update(len(data).to_bytes(8, "little"))
        state.update(data)
    return int.from_bytes(state.digest(), "little")


@dataclass(frozen=True)
class Twins:
    """Of one bucket: `later[i]` is a copy of `first[i]`, both numbers of rows; `digests` are sorted, each once."""

    later: npt.NDArray[np.int64]
    first: npt.NDArray[np.int64]
    digests: Digests


def find_twins(digests: Digests, candidate: npt.NDArray[np.bool_]) -> Iterator[Twins]:
    """Among the candidates, bucket by bucket of rising digests. Both arrays may be mapped files."""
    buckets = max(1, -(-len(digests) // BUCKET_ROWS))
    edges = [number * 2**64 // buckets for number in range(buckets)] + [2**64]
    for low, high in itertools.pairwise(edges):
        numbers = _numbers_between(digests, candidate, low, high - 1)
        values = digests[numbers]
        order = np.argsort(values, kind="stable")
        values, numbers = values[order], numbers[order]
        new = np.ones(len(values), dtype=bool)
        new[1:] = values[1:] != values[:-1]
        start = np.maximum.accumulate(np.where(new, np.arange(len(values)), 0))
        yield Twins(numbers[~new], numbers[start[~new]], values[new])


def _numbers_between(digests: Digests, candidate: npt.NDArray[np.bool_], low: int, high: int) -> npt.NDArray[np.int64]:
    found = [np.empty(0, np.int64)]
    for begin in range(0, len(digests), BUCKET_ROWS):
        part = digests[begin : begin + BUCKET_ROWS]
        inside = (part >= np.uint64(low)) & (part <= np.uint64(high)) & candidate[begin : begin + BUCKET_ROWS]
        found.append(np.flatnonzero(inside) + begin)
    return np.concatenate(found)


class EarlierRows:
    """Rows of the quests that wait, are fought or were completed, from the `hashes.npy` files beside them.

    Quests come and go while they are remembered: before one is named its file is looked for, and where it is gone all
    folders are read again.
    """

    def __init__(self, folders: Iterable[Path]) -> None:
        self._folders = tuple(folders)
        self._quests: list[tuple[str, int]] = []
        """File name, and inode of the `hashes.npy`, which moves with the quest."""
        self._parts: list[tuple[Digests, npt.NDArray[np.int32]]] = []
        self._read = False

    def find(self, digests: Digests) -> list[str | None]:
        """For each digest the file name of an earlier quest that has such a row."""
        if not self._read:
            self._read_folders()
        owners = self._owners(digests)
        if not all(self._is_there(*self._quests[owner]) for owner in set(owners.tolist()) if owner >= 0):
            self._read_folders()
            owners = self._owners(digests)
        return [self._quests[owner][0] if owner >= 0 else None for owner in owners.tolist()]

    def forget(self) -> None:
        """Read the folders anew at the next question."""
        self._read = False

    def sha256_of(self, name: str) -> str | None:
        """Of the content of an earlier quest; None where it is gone meanwhile."""
        found = (read_report(folder / name) for folder in self._folders if (folder / name).exists())
        return next((report.sha256 for report in found if report), None)

    def add(self, quest: Path) -> None:
        """One without a `hashes.npy`, or with a damaged one, adds nothing."""
        path = companion(quest, HASHES)
        try:
            digests, inode = np.load(path, allow_pickle=False), path.stat().st_ino
        except (OSError, ValueError, EOFError):
            return
        if digests.dtype != np.uint64 or digests.ndim != 1:
            return
        self._quests.append((quest.name, inode))
        self._parts.append((digests, np.full(len(digests), len(self._quests) - 1, dtype=np.int32)))
        if len(self._parts) > _MOST_PARTS:
            self._merge()

    def _owners(self, digests: Digests) -> npt.NDArray[np.int32]:
        owners = np.full(len(digests), -1, dtype=np.int32)
        for known, owner in self._parts:
            if len(known):
                place = np.minimum(np.searchsorted(known, digests), len(known) - 1)
                owners = np.where(known[place] == digests, owner[place], owners)
        return owners

    def _is_there(self, name: str, inode: int) -> bool:
        return any(_inode(companion(folder / name, HASHES)) == inode for folder in self._folders)

    def _merge(self) -> None:
        kept, rows = [], 0
        for part in reversed(self._parts):  # the newest first
            kept.append(part)
            rows += len(part[0])
            if rows >= MOST_EARLIER_ROWS:
                break
        digests = np.concatenate([digests for digests, _ in kept])
        owners = np.concatenate([owners for _, owners in kept])
        order = np.argsort(digests, kind="stable")
        self._parts = [(digests[order], owners[order])]

    def _read_folders(self) -> None:
        self._quests, self._parts, self._read = [], [], True
        found = [path for folder in self._folders for path in folder.glob(f"*.{HASHES}")]
        for path in sorted(found, key=_age):
            quest = path.with_name(path.name.removesuffix(f".{HASHES}"))
            if quest.exists():  # else what lies there was left behind
                self.add(quest)


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None


def _age(path: Path) -> tuple[int, str]:
    try:
        return path.stat().st_mtime_ns, path.name
    except OSError:
        return 0, path.name
