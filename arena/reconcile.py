"""At start: what a killed daemon left half-done is finished, and rows are brought into line with the folders."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from arena import battles, gatekeeper, queue
from arena.formats import UnreadableQuest
from arena.inbox import SUFFIX
from arena.models import Battle, Quest
from arena.protocol import ORDER_FILE, Order
from realm import durable
from realm.durable import TEMP_PREFIX
from realm.strict import BadConfig
from realm.world import World
from vault import services as vault

log = logging.getLogger(__name__)


def bring_into_line(world: World) -> None:
    """Safe to repeat. Order matters: files decide rows, rows of quests carry those of battles."""
    _sweep(world)
    for folder, state in (
        (world.recently_completed, Quest.State.COMPLETED),
        (world.failed, Quest.State.FAILED),
        (world.processing, Quest.State.BATTLING),
    ):
        for path in _quest_files(folder):
            _align_quest(world, path, state)
    for order in _orders(world):
        _align_battle(order)
    for battle in Battle.objects.filter(state__in=battles.UNFINISHED).select_related("quest"):
        battles.take_in_events(world, battle)
    _put_back_unopened(world)
    vault.scan(world)


def _sweep(world: World) -> None:
    folders = (world.inbox, world.control, world.processing, world.failed, world.recently_completed)
    for folder in (*folders, *(world.lane(priority) for priority in Quest.Priority.values)):
        for leftover in durable.sweep_temps(folder):
            log.info("swept %s", leftover)


def _quest_files(folder: Path) -> Iterator[Path]:
    yield from sorted(
        (path for path in folder.iterdir() if path.name.endswith(SUFFIX) and not path.name.startswith(TEMP_PREFIX)),
        key=lambda path: (path.lstat().st_mtime_ns, path.name),
    )


def _align_quest(world: World, path: Path, state: Quest.State) -> None:
    """A file that was moved just before a kill still has the row of its old place; an unknown one gets a row."""
    file = path.relative_to(world.queue).as_posix()
    if Quest.objects.filter(file=file).exists():
        return
    try:
        inspection = gatekeeper.inspect(path)
    except UnreadableQuest:
        return
    # By content, not by name: a name that was taken got a number on the way.
    on_the_way = Quest.objects.filter(sha256=inspection.sha256, state__in=(Quest.State.QUEUED, Quest.State.BATTLING))
    moved = [quest for quest in on_the_way if not os.path.lexists(queue.path_of(world, quest))]
    if moved:
        queue.note_place(world, moved[-1], path, state)
        return
    queue.add_row(world, path, inspection, priority=Quest.Priority.NORMAL, state=state)


def _orders(world: World) -> Iterator[Order]:
    """Orders of battles that have no row, oldest first."""
    known = set(Battle.objects.values_list("battle_id", flat=True))
    paths = [path for path in world.battles.glob(f"*/{ORDER_FILE}") if path.parent.name not in known]
    for path in sorted(paths, key=lambda path: path.stat().st_mtime_ns):
        try:
            yield Order.read(path)
        except (BadConfig, ValueError) as error:
            log.error("%s is not an order: %s", path, error)


def _align_battle(order: Order) -> None:
    quest = Quest.objects.filter(sha256=order.quest_sha256).order_by("-id").first()
    if quest is None:
        return
    started = datetime.fromtimestamp((Path(order.battle_folder) / ORDER_FILE).stat().st_mtime, UTC)
    Battle.objects.create(battle_id=order.battle, quest=quest, hero=order.hero, started_at=started)


def _put_back_unopened(world: World) -> None:
    """A quest in `processing/` without a battle was moved just before a kill: it waits again, in front."""
    for quest in Quest.objects.filter(state=Quest.State.BATTLING):
        if not quest.battles.filter(state__in=battles.UNFINISHED).exists():
            queue.put_back(world, quest)
