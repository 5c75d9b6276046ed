"""Looks whether the quests that wait are still what the gatekeepers let pass; changes nothing, that is the daemon's."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from arena.daemon.sparring_expiry import why_stale
from arena.gate import report as reports
from arena.models import Quest
from arena.queue import admission
from arena.queue import files as queue
from arena.rows.limits import INSPECTED
from arena.rows.lines import content_digest
from arena.rows.model import UnreadableQuest
from realm.disk import durable
from realm.world import World

CHECK_FILE = "queue_check.json"
LOOKED_AT = (Quest.State.QUEUED, Quest.State.INSPECTED)


@dataclass(frozen=True, kw_only=True)
class Finding:
    quest: str
    file: str
    kind: str
    """`gone`, `changed`, `unreadable`, `unreported`, `misses-rows` or `stale`."""
    what: str


def check_queue(world: World, *, hero: str, most_steps: int) -> tuple[int, list[Finding]]:
    """How many quests wait, and what is wrong with some; also written to `status/queue_check.json`.

    `most_steps`: how far behind a sparring's checkpoint may be.
    """
    quests = list(queue.in_order(Quest.objects.filter(state__in=LOOKED_AT)))
    found = [finding for quest in quests for finding in _check(world, quest, hero, most_steps)]
    report = {"time": time.time(), "waiting": len(quests), "found": [asdict(finding) for finding in found]}
    durable.write_json(world.status / CHECK_FILE, report, sync=False)
    return len(quests), found


def _check(world: World, quest: Quest, hero: str, most_steps: int) -> Iterator[Finding]:
    path = queue.path_of(world, quest)
    for kind, what in _troubles(world, path, quest, hero, most_steps):
        # The daemon may have begun, moved or cancelled it while it was read.
        if Quest.objects.filter(pk=quest.pk, state__in=LOOKED_AT, file=quest.file).exists():
            yield Finding(quest=quest.name, file=quest.file, kind=kind, what=what)


def _troubles(world: World, path: Path, quest: Quest, hero: str, most_steps: int) -> Iterator[tuple[str, str]]:
    if not os.path.lexists(path):
        yield "gone", "its file is gone from the queue"
        return
    try:
        digest = content_digest(path, INSPECTED)
    except (OSError, UnreadableQuest) as error:
        yield "unreadable", f"it cannot be read: {error}"
        return
    if digest != quest.sha256:
        yield "changed", "its content is not what the gatekeepers let pass; its battle would fail"
    if not reports.is_complete(path):
        yield "unreported", "what the gatekeepers found is not beside it; they look again before its battle"
    elif admission.misses_rows(path):
        yield "misses-rows", "rows were left out for another quest that will not be fought; it is looked at again"
    if reason := why_stale(world, path, hero=hero, most_steps=most_steps):
        yield "stale", f"{reason}; it is cancelled when its turn comes"
