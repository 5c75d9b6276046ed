"""Rows of the player's quests that the world keeps for itself, for the quest's own file may be gone by then: those held
out, which later battles score, and some that later quests rehearse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from arena.gate import held_out, row_index
from arena.gate import report as reports
from arena.gate.duplicates import digest_of
from arena.gate.row_seek import lines_at
from arena.models import Quest
from arena.queue import files as queue
from arena.rows.formats import registry
from arena.rows.model import Content, Row
from arena.rows.parse import parse_line
from arena.rows.written import to_jsonl
from realm.disk import durable
from realm.quest_names import is_own_name
from realm.world import World

MOST_REHEARSED = 500
"""Rows of one quest that are kept to be rehearsed."""


def keep(world: World, quest: Quest, specs: Mapping[str, dict[str, str]]) -> None:
    """Write both files of a quest that lies in `processing/`; those that are there stay as they are.

    Raises UnreadableQuest.
    """
    if not is_own_name(quest.name):
        return
    records = row_index.load(reports.companion(queue.path_of(world, quest), reports.ROWS))
    if records is None:
        return
    taken = records["line"][records["verdict"] == row_index.TAKEN]
    spread = np.linspace(0, len(taken) - 1, min(len(taken), MOST_REHEARSED)).astype(np.int64)
    for folder, lines in (
        (world.validation_quests, row_index.held_out_lines(records).tolist()),
        (world.rehearsal, taken[spread].tolist()),
    ):
        path = held_out.file_of(folder, quest.name, quest.sha256)
        if lines and not path.exists():
            durable.write_bytes(path, to_jsonl(_contents(queue.path_of(world, quest), lines, specs)))


def _contents(path: Path, lines: Sequence[int], specs: Mapping[str, dict[str, str]]) -> list[Content]:
    """In an order that says nothing of the file's, so that a part of them is as good as any other."""
    found = lines_at(path, lines)
    rows = [parse_line(found[line], registry(specs)) for line in lines if line in found]
    return sorted((row.content for row in rows if isinstance(row, Row)), key=digest_of)
