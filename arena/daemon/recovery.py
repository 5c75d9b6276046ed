"""At start: what a killed daemon left half-done is finished, and rows are brought into line with the folders."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models import Q

from arena import chronicle
from arena.daemon import battles, evaluations, events
from arena.gate import report as reports
from arena.gate.inspection import Look, inspect
from arena.gate.report import Report
from arena.gate.rules import GateRules
from arena.history import deleting
from arena.models import Battle, Quest
from arena.protocol import EVENTS_FILE, ORDER_FILE, Event, EventKind, Order
from arena.queue import files as queue
from arena.recipe import Recipe
from arena.rows.lines import is_quest_name
from arena.rows.model import UnreadableQuest
from guild.evaluation import queue as evaluation_queue
from realm.checkpoints import branches
from realm.disk import durable
from realm.disk.durable import TEMP_PREFIX
from realm.strict import BadConfig
from realm.world import World
from vault import index as vault

log = logging.getLogger(__name__)

SWEEP_SECONDS = 3600.0


def bring_into_line(world: World) -> None:
    """Safe to repeat. Order matters: files decide rows, rows of quests carry those of battles."""
    _sweep(world)
    _mend_branches(world)
    _align_files(world)
    for battle in Battle.objects.filter(state__in=battles.UNFINISHED).select_related("quest"):
        for _ in events.take_in(world, battle):
            pass
        _end_without_quest(battle)
    _put_back_unopened(world)
    vault.scan(world)
    evaluation_queue.recover(world, evaluations.tell)


def finish_half_done(world: World) -> None:
    """What a failing disk cut short: moves of files without their rows.

    Battles that stand half-fought are left to the daemon, which ends them, and their quests, as it was about to.
    """
    known = set(Quest.objects.values_list("id", flat=True))
    fought = Battle.objects.filter(state__in=battles.UNFINISHED).values_list("quest_id", flat=True)
    _align_files(world, leave=frozenset(fought))
    _put_back_unopened(world)
    for quest in Quest.objects.filter(state=Quest.State.FAILED).exclude(id__in=known):
        queue.tell_refusal(quest)


def _mend_branches(world: World) -> None:
    for folder in sorted(path for path in world.heroes.iterdir() if path.is_dir()):
        if told := branches.mend(folder):
            log.error(told)
            chronicle.say("branches_mended", told)


def _align_files(world: World, *, leave: frozenset[int] = frozenset()) -> None:
    """`leave`: ids of quests that are seen to elsewhere."""
    for folder, state in (
        (world.recently_completed, Quest.State.COMPLETED),
        (world.failed, Quest.State.FAILED),
        (world.processing, Quest.State.BATTLING),
    ):
        for path in _quest_files(folder):
            _align_quest(world, queue.with_plain_name(path), state, leave)
    for path, order in _orders(world):
        _align_battle(world, path, order)


def _sweep(world: World) -> None:
    """Only what is old: a command or a file may be on its way right now."""
    folders = (world.inbox, world.control, world.processing, world.failed, world.recently_completed)
    for folder in (*folders, *(world.lane(priority) for priority in Quest.Priority.values)):
        for leftover in durable.sweep_temps(folder, older_than_seconds=SWEEP_SECONDS, files_only=True):
            log.info("swept %s", leftover)


def _quest_files(folder: Path) -> Iterator[Path]:
    yield from sorted(
        (path for path in folder.iterdir() if is_quest_name(path.name) and not path.name.startswith(TEMP_PREFIX)),
        key=lambda path: (path.lstat().st_mtime_ns, path.name),
    )


def _align_quest(world: World, path: Path, state: Quest.State, leave: frozenset[int]) -> None:
    """A file that was moved just before a kill still has the row of its old place; an unknown one gets a row."""
    file = path.relative_to(world.queue).as_posix()
    if Quest.objects.filter(file=file).exists():
        return

    # What is known of the file without its row.
    said = reports.read_reason(path)
    report = _report_of(path)
    sha256 = report.sha256 if report else ""

    # By content, not by name: a name that was taken got a number on the way. Rows of files that the gatekeepers could
    # not read, or would not by the settings, have but their name.
    on_the_way = Quest.objects.filter(state__in=(*queue.WAITING, Quest.State.BATTLING))
    unread = Q(sha256="", file__endswith=f"/{path.name}")
    same = on_the_way.filter(unread | Q(sha256=sha256) if sha256 else unread)
    moved = [quest for quest in same if not os.path.lexists(queue.path_of(world, quest))]

    # The row follows its file; a file that had none gets one.
    if moved:
        quest = next((quest for quest in reversed(moved) if quest.sha256), moved[-1])
        if quest.pk not in leave:
            untold = quest.state == Quest.State.ARRIVED and state == Quest.State.FAILED
            quest.reason, quest.refusal = str(said.get("reason", "")), str(said.get("kind", ""))
            with transaction.atomic():
                queue.note_place(world, quest, path, _state_in_words(said, state))
                if untold:
                    queue.tell_refusal(quest, line=int(said.get("line") or 0))
        return
    queue.add_row(
        world,
        path,
        report,
        state=_state_in_words(said, state),
        reason=str(said.get("reason", "")),
        refusal=str(said.get("kind", "")),
    )


def _state_in_words(said: dict[str, Any], state: Quest.State) -> Quest.State:
    """`failed/` holds what failed and what was cancelled."""
    cancelled = state == Quest.State.FAILED and said.get("state") == Quest.State.CANCELLED
    return Quest.State.CANCELLED if cancelled else state


def _report_of(path: Path) -> Report | None:
    """The one beside the quest, or one made now; None for a file that cannot be read."""
    found = reports.read_report(path)
    if found:
        return found
    try:
        return inspect(path, Look(rules=GateRules(depth="quick"), recipe=Recipe()))
    except UnreadableQuest:
        return None


def _orders(world: World) -> Iterator[tuple[Path, Order]]:
    """Orders of battles that have no row, with their files, oldest first."""
    known = set(Battle.objects.values_list("battle_id", flat=True))
    paths = [path for path in world.battles.glob(f"*/{ORDER_FILE}") if path.parent.name not in known]
    for path in sorted(paths, key=lambda path: path.stat().st_mtime_ns):
        try:
            yield path, Order.read(path)
        except (BadConfig, ValueError) as error:
            log.error("%s is not an order: %s", path, error)


def _align_battle(world: World, path: Path, order: Order) -> None:
    started = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    states = _ENDED_AS.get(_last_ending(path.parent), (Quest.State.BATTLING,))
    alike = Quest.objects.filter(sha256=order.quest_sha256, state__in=states, battles=None)
    quest = alike.filter(name=order.quest).first() or alike.first()  # one that was fought again has another name
    battle = Battle.objects.create(
        battle_id=order.battle,
        quest=quest or _quest_without_file(order, states[0], started),
        hero=order.hero,
        branch=order.branch,
        started_at=started,
        state=Battle.State.PAUSED if events.ends_paused(path.parent / EVENTS_FILE) else Battle.State.TRAINING,
    )
    deleting.index_mark(world, battle)


_ENDED_AS: dict[EventKind | None, tuple[Quest.State, ...]] = {
    EventKind.BATTLE_COMPLETED: (Quest.State.COMPLETED,),
    EventKind.BATTLE_FAILED: (Quest.State.FAILED,),
    EventKind.BATTLE_STOPPED: (Quest.State.CANCELLED, Quest.State.FAILED),
}


def _last_ending(battle_folder: Path) -> EventKind | None:
    """How a battle ended by its own events; None while it may go on."""
    path = battle_folder / EVENTS_FILE
    lines = path.read_bytes().splitlines() if path.exists() else []
    for line in reversed(lines):
        try:
            event = Event.from_line(line)
        except ValueError:
            continue
        goes_on = event.kind not in _ENDED_AS or event.data.get("blame") == "hero"
        return None if goes_on else event.kind
    return None


def _quest_without_file(order: Order, state: Quest.State, started: datetime) -> Quest:
    """A quest that made room, or was taken away: what it won still counts."""
    return Quest.objects.create(
        name=order.quest,
        sha256=order.quest_sha256,
        state=state if state != Quest.State.BATTLING else Quest.State.CANCELLED,
        file="",
        skill=order.skill or "",
        job=order.job,
        level=order.level,
        reason="" if state == Quest.State.COMPLETED else "its file is gone",
        arrived_at=started,
        ended_at=started,
    )


def _end_without_quest(battle: Battle) -> None:
    """A battle can only go on while its quest lies in `processing/`."""
    if battle.state in battles.UNFINISHED and battle.quest.state != Quest.State.BATTLING:
        battles.end(battle, Battle.State.STOPPED)
        battle.save()


def _put_back_unopened(world: World) -> None:
    """A quest in `processing/` without a battle was moved just before a kill: it waits again, in front."""
    for quest in Quest.objects.filter(state=Quest.State.BATTLING):
        if not quest.battles.filter(state__in=battles.UNFINISHED).exists():
            queue.put_back(world, quest)
