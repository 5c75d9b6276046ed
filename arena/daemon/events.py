"""What the trainer says of a battle, taken in line by line, and what follows from each event.

Files are moved and rest is written down before the rows, since the folders are the truth and may be read again.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from django.db import transaction

from arena import chronicle
from arena import status as arena_status
from arena.daemon import battles, champions, evaluations, outcomes
from arena.daemon.readiness import HOW_TO_MEND
from arena.gate import report as reports
from arena.gate.inspection import SET_ASIDE_KINDS
from arena.models import Battle, Quest
from arena.protocol import (
    ANSWERS_FOLDER,
    ENDINGS,
    EVENTS_FILE,
    REFUSED_FILE,
    Event,
    EventKind,
    Order,
)
from arena.queue import files as queue
from arena.rows.model import Refusal
from guild.curriculum.plan import Curriculum, read_curriculum
from guild.errors import GuildError
from guild.evaluation import judging
from guild.evaluation import queue as evaluation_queue
from guild.evaluation.answers import AnswerRecord
from guild.skills.registry import get_trainer
from realm.checkpoints import branches
from realm.checkpoints.names import step_of
from realm.checkpoints.sidecar import DamagedCheckpoint
from realm.config import load as load_config
from realm.quest_names import sparring_level
from realm.strict import BadConfig
from realm.world import World
from realm.xp_and_gold import GOLD_PER_QUEST, level_at
from vault import chronicle as history
from vault import index as vault
from vault.assets.ids import checkpoint_id
from vault.models import Checkpoint

log = logging.getLogger(__name__)


def take_in(world: World, battle: Battle) -> Iterator[Event]:
    """What the trainer said since last time, each event when it is taken in: its rows and the new offset are committed.

    A half-written last line waits. A whole line that is no event is told once and passed over.
    """
    try:
        yield from _take_in_lines(world, battle)
    except Exception:
        battle.refresh_from_db()  # in memory it may be ahead of what was committed
        raise


def _take_in_lines(world: World, battle: Battle) -> Iterator[Event]:
    path = world.battles / battle.battle_id / EVENTS_FILE
    size = path.stat().st_size if path.exists() else 0
    if size <= battle.events_offset:
        return

    # Of a past that is read again, as after a lost database, nobody is to see a battle go on that rests.
    rests = ends_paused(path, since=battle.events_offset)

    # Line by line, so that what was taken in before an error stays taken in.
    with open(path, "rb") as file:
        file.seek(battle.events_offset)
        for line in file:
            if not line.endswith(b"\n"):
                break
            event = _parse(battle, line)
            # Files first, then rows and offset at once; what follows in memory only once they are committed.
            if event:
                _settle_files(world, battle, event)
                _settle_rest(world, battle, event, newest=battle.events_offset + len(line) >= size)
            with transaction.atomic():
                if event:
                    chronicle.record_event(battle.battle_id, event)
                    _follow_up(world, battle, event)
                    if rests and battle.state == Battle.State.TRAINING:
                        battle.state = Battle.State.PAUSED
                battle.events_offset += len(line)
                battle.save()
            if event:
                yield event


def ends_paused(path: Path, *, since: int = 0) -> bool:
    """Whether what was written behind the first `since` bytes leaves the battle at rest."""
    try:
        with open(path, "rb") as file:
            file.seek(since)
            written = file.read()
    except FileNotFoundError:
        return False
    for line in reversed(written[: written.rfind(b"\n") + 1].splitlines()):
        with suppress(ValueError):
            kind = Event.from_line(line).kind
            if kind in _STATES_OF_A_BATTLE:
                return kind == EventKind.BATTLE_PAUSED
    return False


_STATES_OF_A_BATTLE = ENDINGS | {EventKind.BATTLE_STARTED, EventKind.BATTLE_RESUMED}


def _parse(battle: Battle, line: bytes) -> Event | None:
    try:
        return Event.from_line(line)
    except ValueError as error:
        log.error("%s: a line of %s is no event: %s", battle.battle_id, EVENTS_FILE, error)
        chronicle.say("bad_line", f"{battle.battle_id}: a line of {EVENTS_FILE} is no event", battle=battle.battle_id)
        return None


def _settle_files(world: World, battle: Battle, event: Event) -> None:
    """Move the quest where the event says it belongs; before the rows, because the folder is the truth."""
    quest = battle.quest
    if quest.state != Quest.State.BATTLING:
        return  # moved before; or its file is long gone
    if event.kind == EventKind.BATTLE_COMPLETED:
        queue.complete(world, quest)
    elif event.kind == EventKind.BATTLE_STOPPED:
        how = "skipped" if arena_status.skipped_battle(world) == battle.battle_id else "stopped"
        queue.cancel(world, quest, f"{how} by the player; {event.message}")
    elif event.kind == EventKind.BATTLE_FAILED and event.data.get("blame") == "quest":
        queue.fail(world, quest, str(event.data.get("reason")))
    elif event.kind == EventKind.BATTLE_STARTED:
        _extend_report(world, battle, refused_count=event.data["refused"])
        _note_rehearsal(world, battle, event)


def _settle_rest(world: World, battle: Battle, event: Event, *, newest: bool) -> None:
    """Before the rows, so that a killed daemon still rests when it comes back.

    An event that another one followed, read again after a lost database, was seen to long ago.
    """
    if not newest:
        return
    if event.kind == EventKind.BATTLE_PAUSED and event.data.get("asked") == "faults":
        arena_status.rest(world, asked="faults", reason=str(event.data.get("reason") or event.message))
    if event.kind == EventKind.BATTLE_FAILED and event.data.get("blame") == "hero":
        mending = "resume tries again, skip leaves the quest" if battles.has_trained(world, battle) else HOW_TO_MEND
        arena_status.rest(world, asked="trouble", reason=f"{event.message}; {mending}")


def _note_rehearsal(world: World, battle: Battle, event: Event) -> None:
    """The gatekeepers counted the steps of the quest's own rows; how many are rehearsed only its battle decides."""
    path, rehearsed = queue.path_of(world, battle.quest), event.data.get("rehearsed", 0)
    report = reports.read_report(path)
    if report is None or not rehearsed:
        return
    steps = int(event.data["total_steps"])
    battle.quest.steps = steps
    battle.quest.save(update_fields=["steps"])
    reports.write_report(path, replace(report, rehearsed=rehearsed, steps=steps))


def _extend_report(world: World, battle: Battle, *, refused_count: int) -> None:
    """The trainer has the last word: other settings than the gatekeepers looked by may refuse other rows.

    Its file names the first of those it refused; it has counted all. What was set aside before, it was not shown.
    """
    path = queue.path_of(world, battle.quest)
    report = reports.read_report(path)
    if report is None or refused_count == report.refused_count - report.set_aside:
        return
    try:
        named = json.loads((world.battles / battle.battle_id / REFUSED_FILE).read_bytes())
    except FileNotFoundError:
        return

    # What the gatekeepers set aside stays refused; of what else they found, the trainer's word replaces theirs.
    set_aside = [refusal for refusal in report.refused if refusal.kind in SET_ASIDE_KINDS]
    by_trainer = [Refusal(row["line"], row["reason"], row.get("kind", "trainer")) for row in named]
    kinds = {kind: count for kind, count in report.refused_by_kind.items() if kind in SET_ASIDE_KINDS}
    refused = report.set_aside + refused_count
    everything = sorted([*set_aside, *by_trainer], key=lambda refusal: refusal.line)

    # The row, then the report.
    battle.quest.taken = report.rows - refused - report.held_out
    battle.quest.save(update_fields=["taken"])
    reports.write_report(
        path,
        replace(
            report,
            taken=report.rows - refused - report.held_out,
            refused_count=refused,
            refused=tuple(everything[: reports.MOST_NAMED]),
            refused_by_kind=kinds | ({"trainer": refused_count} if refused_count else {}),
        ),
    )


def _follow_up(world: World, battle: Battle, event: Event) -> None:
    consequence = _CONSEQUENCES.get(event.kind)
    if consequence:
        consequence(world, battle, event)


def _started(world: World, battle: Battle, event: Event) -> None:
    battle.state = Battle.State.TRAINING
    battle.first_step = event.data["first_step"]
    battle.total_steps = event.data["total_steps"]


def _checkpoint_saved(world: World, battle: Battle, event: Event) -> None:
    try:
        checkpoint = vault.index_checkpoint(world, battle.hero, event.data["name"])
    except DamagedCheckpoint as damage:
        log.error("not indexed: %s", damage)
        return
    history.record_once(
        world,
        "save",
        by="arena",
        asset_id=checkpoint_id(battle.hero, checkpoint.name),
        battle=battle.battle_id,
        branch=checkpoint.branch,
        bytes=checkpoint.size_bytes,
    )
    _follow_hero_level(battle, event, checkpoint)
    _enqueue_evaluation(world, battle, event, checkpoint)
    champions.follow(world, battle, event, checkpoint=checkpoint.name)


def _enqueue_evaluation(world: World, battle: Battle, event: Event, checkpoint: Checkpoint) -> None:
    """In the transaction that takes in the event: a checkpoint that is listed is also queued."""
    try:
        order = Order.read(battles.order_path(world, battle))
    except (OSError, ValueError) as error:
        log.error("%s: not queued for evaluation: %s", checkpoint.name, error)
        return
    if order.evaluated_by != "queue":
        return
    try:
        evaluations.enqueue_checkpoint(
            world,
            battle.hero,
            _curriculum(world),
            checkpoint=checkpoint.name,
            step=checkpoint.step,
            branch=checkpoint.branch,
            fought=order.skill,
            sparred=sparring_level(battle.quest.name),
        )
    except (GuildError, BadConfig) as error:
        chronicle.follow_up(battle.battle_id, event, "guild_trouble", str(error))


def _curriculum(world: World) -> Curriculum:
    """As the settings have it now. Raises strict.BadConfig."""
    return read_curriculum(load_config(world))


def _follow_hero_level(battle: Battle, event: Event, checkpoint: Checkpoint) -> None:
    level = level_at(checkpoint.step)
    if level > level_at(step_of(checkpoint.parent) or 0):
        message = f"Level up! {battle.hero} is level {level}"
        chronicle.follow_up(battle.battle_id, event, "hero_level_up", message, level=level)


def _answered(world: World, battle: Battle, event: Event) -> None:
    """Judged here if that takes no time; a remote trainer judges through the queue, for nobody waits for it here."""
    path = world.battles / battle.battle_id / ANSWERS_FOLDER / Path(event.data["file"]).name
    skill, level, checkpoint = event.data["skill"], event.data["level"], event.data["checkpoint"]
    # The one that a battle begins from may lie on the branch before.
    branch = branches.branch_of(world.heroes / battle.hero / checkpoint)
    if branch is None:
        branch = battle.branch
    # A guild in trouble costs the evaluation, not the event.
    try:
        answers = json.loads(path.read_bytes())
        record = AnswerRecord(
            hero=battle.hero,
            checkpoint=checkpoint,
            step=event.step,
            skill=skill,
            level=level,
            answers=tuple(answers),
            answered_by="trainer",
            branch=branch,
            seconds=event.data.get("seconds"),
        )

        if get_trainer(skill).is_remote:
            evaluation_queue.take_answers(world, record)
            return
        verdict = judging.judge_answers(
            hero=record.hero,
            checkpoint=record.checkpoint,
            step=record.step,
            skill=skill,
            level=level,
            answers=answers,
            world=world,
            branch=branch,
            seconds=record.seconds,
        )
    except (GuildError, OSError, ValueError) as error:
        chronicle.follow_up(battle.battle_id, event, "guild_trouble", str(error))
        return

    for kind, message, data in evaluations.told_of(skill, level, verdict):
        chronicle.follow_up(battle.battle_id, event, kind, message, **data)
    champions.follow(world, battle, event, checkpoint=record.checkpoint)


def _completed(world: World, battle: Battle, event: Event) -> None:
    battles.end(battle, Battle.State.COMPLETED)
    chronicle.follow_up(
        battle.battle_id,
        event,
        "quest_completed",
        f"Quest complete! {battle.quest.name}, +{GOLD_PER_QUEST} gold",
        quest=battle.quest.name,
        gold=GOLD_PER_QUEST,
    )
    outcomes.completed(world, battle)
    champions.follow(world, battle, event)


def _paused(world: World, battle: Battle, event: Event) -> None:
    champions.follow(world, battle, event)
    battle.state = Battle.State.PAUSED


def _stopped(world: World, battle: Battle, event: Event) -> None:
    battles.end(battle, Battle.State.STOPPED)
    champions.follow(world, battle, event)
    if arena_status.skipped_battle(world) == battle.battle_id:
        chronicle.follow_up(battle.battle_id, event, "quest_skipped", f"{battle.quest.name} was skipped")


def _failed(world: World, battle: Battle, event: Event) -> None:
    if event.data.get("blame") == "quest":
        battles.end(battle, Battle.State.FAILED)
    else:
        battle.state = Battle.State.PAUSED


_CONSEQUENCES: dict[EventKind, Callable[[World, Battle, Event], None]] = {
    EventKind.BATTLE_STARTED: _started,
    EventKind.BATTLE_RESUMED: _started,
    EventKind.CHECKPOINT_SAVED: _checkpoint_saved,
    EventKind.ANSWERED: _answered,
    EventKind.BATTLE_COMPLETED: _completed,
    EventKind.BATTLE_PAUSED: _paused,
    EventKind.BATTLE_STOPPED: _stopped,
    EventKind.BATTLE_FAILED: _failed,
}
