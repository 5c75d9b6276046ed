"""Whether the files of quests and their rows are of one mind, and whether orders and quests are taken."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from arena import branch_orders, orders, quest_orders, rate_orders, source_orders
from arena import status as arena_status
from arena.models import Quest
from arena.queue import files as queue
from arena.rows.lines import is_quest_name
from guild.tasks import run_requests
from guild.tasks.only_master import master_alive
from realm.disk.durable import TEMP_PREFIX
from realm.disk.mailbox import Mailbox
from realm.world import PRIORITIES, World
from sentinels.inspector.finding import Finding, Patrolled, named, ok, trouble, warning

UNSETTLED_SECONDS = 60.0
"""A file or an order may have come, or be on its way, since so long."""
LEFTOVER_SECONDS = 2 * 3600.0
"""The arena sweeps what is an hour old when it starts."""
IDLE_SECONDS = 120.0
PATIENT_SECONDS = 6 * 3600.0
"""For which a task that was asked for may wait for its resource."""
RESTART_ARENA = "`manage.py weave --restart arena` brings files and rows into line"
_ARENAS: tuple[Mailbox, ...] = (  # type: ignore[type-arg]  # of several kinds
    orders.MAILBOX, quest_orders.MAILBOX, rate_orders.MAILBOX, branch_orders.MAILBOX, source_orders.MAILBOX,
)  # fmt: skip
_FOLDERS = {
    Quest.State.BATTLING: ("processing",),
    Quest.State.COMPLETED: ("recently_completed",),
    Quest.State.FAILED: ("failed",),
    Quest.State.CANCELLED: ("failed",),
} | dict.fromkeys(queue.WAITING, PRIORITIES)
"""Where the files of quests in a state may lie, below `queue/`."""


def look(patrolled: Patrolled) -> Iterator[Finding]:
    world = patrolled.world
    found = [*_files_and_rows(world), *_stuck(world), *_orders(world), *_leftovers(world)]
    waiting = Quest.objects.filter(state__in=queue.WAITING).count()
    yield from found or [ok("queue", f"files and rows agree, and waiting: {waiting}")]


def _files_and_rows(world: World) -> Iterator[Finding]:
    rows = dict(Quest.objects.exclude(file="").values_list("file", "state"))
    files = list(_quest_files(world))
    # Before and after: what the daemon moves meanwhile is on neither list twice.
    later = dict(Quest.objects.exclude(file="").values_list("file", "state"))
    lives = arena_status.daemon_alive(world)
    if lives and (strange := [file for file in files if file not in rows | later and _is_settled(world, file)]):
        yield warning("quest files", f"the arena does not know of {named(strange)}", RESTART_ARENA)
    expected = {*queue.WAITING, Quest.State.BATTLING}
    gone = [
        file
        for file, state in rows.items()
        if state in expected and later.get(file) == state and not os.path.lexists(world.queue / file)
    ]
    if gone:
        yield warning("quest files", f"gone, though their quests are to be fought: {named(gone)}", RESTART_ARENA)
    misplaced = [file for file, state in later.items() if file.partition("/")[0] not in _FOLDERS[Quest.State(state)]]
    if misplaced:
        yield warning("quest rows", f"in a folder that is not that of their state: {named(misplaced)}", RESTART_ARENA)
    if unreadable := [file for file in files if not _is_readable(world.queue / file)]:
        remedy = f"`chmod u+r {world.queue / unreadable[0]}`, or take it away"
        yield warning("quest files", f"nobody can read {named(unreadable)}", remedy, path=world.queue / unreadable[0])


def _quest_files(world: World) -> Iterator[str]:
    """Relative to the queue."""
    for folder in (*map(world.lane, PRIORITIES), world.processing, world.failed, world.recently_completed):
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if is_quest_name(entry.name) and not entry.name.startswith(".")]
        yield from (f"{folder.name}/{name}" for name in names)


def _is_settled(world: World, file: str) -> bool:
    return _age(world.queue / file) > UNSETTLED_SECONDS


def _age(path: Path) -> float:
    """Seconds since it was last changed or moved; 0 for what is gone."""
    try:
        facts = path.lstat()
    except OSError:
        return 0.0
    return time.time() - max(facts.st_mtime, facts.st_ctime)


def _is_readable(path: Path) -> bool:
    return not os.path.lexists(path) or (path.is_file() and os.access(path, os.R_OK))


def _stuck(world: World) -> Iterator[Finding]:
    status = arena_status.read_status(world)
    if not status.alive:
        fought = [path.name for path in world.processing.iterdir() if is_quest_name(path.name)]
        if fought:
            sentence = f"{named(fought)} is being fought, and no arena runs"
            yield warning("processing", sentence, "`scripts/start_all.sh` goes on with it", path=world.processing)
        return
    since = datetime.now(UTC) - timedelta(seconds=IDLE_SECONDS)
    waiting = queue.waiting().filter(arrived_at__lt=since)
    if status.state == "idle" and not status.starts and (oldest := waiting.order_by("arrived_at").first()):
        hours = (datetime.now(UTC) - oldest.arrived_at).total_seconds() / 3600
        sentence = f"the arena is idle, and quests wait ({waiting.count()}), one of them for {hours:.1f} h"
        yield trouble("queue", sentence, "`manage.py logs arena` may say why; `manage.py weave --restart arena`")


def _orders(world: World) -> Iterator[Finding]:
    """Files in `control/` that somebody who lives should have taken."""
    lives = arena_status.daemon_alive(world)
    left = [path.name for box in _ARENAS for path, _ in box.waiting(world) if _age(path) > UNSETTLED_SECONDS]
    if lives and left:
        yield trouble("orders", f"the arena does not take {named(left)}", "`manage.py weave --restart arena`")
    wishes = [path.name for paths in run_requests.waiting(world).values() for path in paths]
    left = [name for name in wishes if _age(world.control / name) > PATIENT_SECONDS]
    if left and master_alive(world):
        yield warning("tasks", f"the Task Master does not begin {named(left)}", "`manage.py tasks status` says why")
    damaged = [path for path in world.control.iterdir() if ".damaged-" in path.name]
    if damaged:
        sentence = f"set aside, since they could not be read: {named(path.name for path in damaged)}"
        yield warning("orders", sentence, f"give them again, and `rm {world.control}/*.damaged-*`", path=world.control)


def _leftovers(world: World) -> Iterator[Finding]:
    folders = [world.inbox, world.control, world.battles, *(path for path in world.queue.iterdir() if path.is_dir())]
    folders += [path for path in world.heroes.iterdir() if path.is_dir()]
    left = [path for folder in folders for path in folder.glob(f"{TEMP_PREFIX}*") if _age(path) > LEFTOVER_SECONDS]
    if left:
        sentence = f"left behind by writers that were killed: {named(path.name for path in left)}"
        yield warning("leftovers", sentence, "the arena sweeps them at its next start", path=left[0])
