"""Rows of the player's quests that are never trained on, so that they can measure what a quest taught.

Which ones follows from what the rows say: copies fall on one side, and a quest that is looked at again holds out the
same. From its battle on they lie in the world as `<quest>-<first 8 of its SHA-256>.jsonl`, and later quests may not
train on them either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from arena.gate.duplicates import BUCKET_ROWS, Digests, digest_of
from arena.gate.rules import GateRules
from arena.rows.lines import stem_of
from arena.rows.model import Row, UnreadableQuest
from arena.rows.parse import read_rows
from realm.quest_names import is_own_name

KIND = "held-out"
REASON = "held out: it is never trained on and measures what the quest taught"
Chosen = npt.NDArray[np.bool_]
_SHA256_CHARACTERS = 8


def file_of(folder: Path, quest: str, sha256: str) -> Path:
    """Where the rows that were held out of this quest lie, or will."""
    return folder / f"{quest}-{sha256[:_SHA256_CHARACTERS]}.jsonl"


def set_names(folder: Path) -> dict[Path, str]:
    """The file of every held-out set with the set's name, the oldest first: `quest/<quest>` for the first quest of a
    name, the file's whole stem for later ones."""
    named: dict[Path, str] = {}
    for path in sorted(folder.glob("*.jsonl"), key=lambda path: (path.stat().st_mtime_ns, path.name)):
        plain = f"quest/{path.stem[: -_SHA256_CHARACTERS - 1]}"
        named[path] = plain if plain not in named.values() else f"quest/{path.stem}"
    return named


def name_of_file(path: Path) -> str:
    """The set's name of a file that the player made, for all quests or for one."""
    return f"file/{stem_of(path.name)}"


def choose(digests: Digests, candidate: Chosen, wanted: int, *, most: int) -> Chosen:
    """About `wanted` of the candidates, those of the smallest digests; both arrays may be mapped files.

    All copies of a row go with it, so they may be some more, never more than `most` nor than twice what is wanted.
    """
    chosen = np.zeros(len(digests), dtype=bool)
    limit, found = min(most, 2 * wanted, int(candidate.sum()) - 1), 0
    smallest, counts = _smallest(digests, candidate, 2 * wanted)
    picked = []
    for digest, count in zip(smallest.tolist(), counts.tolist(), strict=True):
        if found < wanted and found + count <= limit:
            picked.append(digest)
            found += count
    for begin in range(0, len(digests), BUCKET_ROWS):
        part = slice(begin, begin + BUCKET_ROWS)
        chosen[part] = candidate[part] & np.isin(digests[part], np.array(picked, dtype=np.uint64))
    return chosen


def _smallest(digests: Digests, candidate: Chosen, count: int) -> tuple[Digests, npt.NDArray[np.int64]]:
    """The smallest different digests of candidates, and how many rows have each."""
    smallest, counts = np.empty(0, np.uint64), np.empty(0, np.int64)
    for begin in range(0, len(digests), BUCKET_ROWS):
        part = slice(begin, begin + BUCKET_ROWS)
        fresh, times = np.unique(digests[part][candidate[part]], return_counts=True)
        both = np.concatenate([smallest, fresh[:count]])
        smallest, place = np.unique(both, return_inverse=True)
        counts = np.bincount(place, weights=np.concatenate([counts, times[:count]])).astype(np.int64)
        smallest, counts = smallest[:count], counts[:count]
    return smallest, counts


def note_of(quest: str, rows: int, held_out: int, rules: GateRules) -> str:
    """How many rows of a quest are held out and why, in one sentence."""
    if not is_own_name(quest):
        return "No row is held out: problems of its level that are never trained on measure it."
    if held_out:
        return f"{held_out} of its {rows} rows are held out: never trained on, they measure what it teaches."
    if not rules.held_out_share:
        return "No row is held out: held_out_share is 0."
    return f"No row is held out: it has {rows} rows to train on, and {rules.held_out_from_rows} are needed for that."


class HeldOutRows:
    """What was held out of the quests of a world, by digest; read again when a file has changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._state: object = None
        self._owners: dict[int, set[str]] = {}

    def refresh(self) -> None:
        files = sorted(self._folder.glob("*.jsonl"))
        state = [(path, path.stat().st_mtime_ns, path.stat().st_size) for path in files]
        if state == self._state:
            return
        self._state, self._owners = state, {}
        for path in files:
            for digest in _digests(path):
                self._owners.setdefault(digest, set()).add(path.stem)

    def of_quest(self, sha256: str) -> Digests:
        """Sorted digests of what was held out of the quest of this content when it was fought."""
        ending = f"-{sha256[:_SHA256_CHARACTERS]}"
        return self._sorted(lambda owners: any(owner.endswith(ending) for owner in owners))

    def all(self) -> Digests:
        return self._sorted(lambda owners: True)

    def owner_of(self, digest: int) -> str:
        """The quest that a held-out row is of."""
        return min(self._owners[digest])[: -_SHA256_CHARACTERS - 1]

    def _sorted(self, wanted: Callable[[set[str]], bool]) -> Digests:
        return np.array(sorted(digest for digest, owners in self._owners.items() if wanted(owners)), dtype=np.uint64)


def _digests(path: Path) -> Iterator[int]:
    """A file that was taken away, or lines that somebody spoilt, hold out nothing."""
    try:
        yield from (digest_of(row.content) for row in read_rows(path) if isinstance(row, Row))
    except UnreadableQuest:
        return
