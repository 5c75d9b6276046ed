"""Battles as the daemon sees them: the order it writes, the events it takes in, what follows from each."""

from __future__ import annotations

import io
import itertools
import json
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from django.db import transaction

from arena import chronicle, embedded
from arena import status as arena_status
from arena.daemon import evaluations
from arena.gate import report as reports
from arena.gate import row_index
from arena.gate.inspection import SET_ASIDE_KINDS
from arena.models import Battle, Quest
from arena.protocol import (
    ANSWERS_FOLDER,
    EVENTS_FILE,
    ORDER_FILE,
    REFUSED_FILE,
    SET_ASIDE_FILE,
    EvaluationSet,
    Event,
    EventKind,
    Order,
)
from arena.queue import files as queue
from arena.recipe import Recipe
from arena.rows.model import Refusal
from guild.curriculum.plan import Curriculum, read_curriculum
from guild.errors import GuildError
from guild.evaluation import judging
from guild.evaluation import queue as evaluation_queue
from guild.evaluation.answers import AnswerRecord
from guild.evaluation.validation import ensure_validation
from guild.skills.registry import get_trainer
from realm.checkpoint_names import step_of
from realm.config import RealmConfig
from realm.config import load as load_config
from realm.disk import durable
from realm.quest_names import sparring_level
from realm.sidecar import DamagedCheckpoint
from realm.strict import BadConfig
from realm.world import World
from realm.xp_and_gold import GOLD_PER_QUEST, level_at
from vault import index as vault
from vault import selectors as vault_selectors
from vault.models import Checkpoint

log = logging.getLogger(__name__)

UNFINISHED = (Battle.State.TRAINING, Battle.State.PAUSED)


def unfinished() -> Battle | None:
    """The battle that stands half-fought, if any; there is at most one."""
    return Battle.objects.filter(state__in=UNFINISHED).select_related("quest").first()


def order_path(world: World, battle: Battle) -> Path:
    return world.battles / battle.battle_id / ORDER_FILE


def open_battle(
    world: World,
    config: RealmConfig,
    recipe: Recipe,
    quest: Quest,
    *,
    specs: Mapping[str, dict[str, str]],
    host_answers: bool = False,
) -> Battle:
    """Write the order of a quest that lies in `processing/`, and the row of its battle; on an error, neither.

    `specs` are the declared forms of rows, as `dataset_specs.load_declared` gave them. Where `host_answers`, the
    battle's checkpoints are evaluated through the queue and not by the trainer.
    """
    battle_id = _free_id(world, quest)
    folder = world.battles / battle_id
    folder.mkdir()
    try:
        order = _order(world, config, recipe, quest, battle_id, specs, host_answers)
        order.write()
        durable.sync_folder(world.battles)
        return Battle.objects.create(battle_id=battle_id, quest=quest, hero=config.hero, started_at=datetime.now(UTC))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def ensure_hero(world: World, config: RealmConfig) -> str:
    """The base model's folder or hub id; makes the embedded hero, the hero's folder and the link to it if missing."""
    (world.heroes / config.hero).mkdir(exist_ok=True)
    target = Path("heroes") / config.hero
    if world.current_model.is_symlink() and world.current_model.readlink() != target:
        world.current_model.unlink()
    if not os.path.lexists(world.current_model):
        world.current_model.symlink_to(target)
    if not config.base_model:
        return str(embedded.ensure(world.models))
    folder = Path(config.base_model).expanduser()
    return str(folder.resolve()) if folder.is_dir() else config.base_model


def _order(
    world: World,
    config: RealmConfig,
    recipe: Recipe,
    quest: Quest,
    battle_id: str,
    specs: Mapping[str, dict[str, str]],
    host_answers: bool,
) -> Order:
    return Order(
        battle=battle_id,
        battle_folder=str(world.battles / battle_id),
        quest=quest.name,
        quest_file=str(queue.path_of(world, quest)),
        quest_sha256=quest.sha256,
        hero=config.hero,
        hero_folder=str(world.heroes / config.hero),
        base_model=ensure_hero(world, config),
        skill=quest.skill or None,
        level=quest.level,
        evaluation_sets=() if host_answers else _evaluation_sets(world, config, quest),
        evaluated_by="queue" if host_answers else "trainer",
        validation_file=str(ensure_validation(world)),
        flagged_folder=str(world.flagged_examples),
        recipe=recipe,
        dataset_specs=dict(specs),
        set_aside_file=_write_set_aside(world, quest, world.battles / battle_id),
    )


def _write_set_aside(world: World, quest: Quest, folder: Path) -> str | None:
    """Lines that the gatekeepers left out though they could be trained on; None where there are none.

    Kept with the battle: whatever happens beside the quest, a resumed run must leave out the same.
    """
    records = row_index.load(reports.companion(queue.path_of(world, quest), reports.ROWS))
    if records is None:
        return None
    lines = row_index.set_aside_lines(records)
    if not len(lines):
        return None
    data = io.BytesIO()
    np.save(data, lines, allow_pickle=False)
    durable.write_bytes(folder / SET_ASIDE_FILE, data.getvalue())
    return str(folder / SET_ASIDE_FILE)


def _evaluation_sets(world: World, config: RealmConfig, quest: Quest) -> tuple[EvaluationSet, ...]:
    """A guild in trouble costs the battle its trial, not its training."""
    try:
        found = judging.evaluation_files(
            world,
            config.hero,
            read_curriculum(config),
            fought=quest.skill or None,
            sparred=sparring_level(quest.name),
        )
    except (GuildError, BadConfig) as error:
        chronicle.say("guild_trouble", str(error))
        return ()
    return tuple(EvaluationSet(**(asdict(file) | {"path": str(file.path)})) for file in found)


def _free_id(world: World, quest: Quest) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", quest.name.lower()).strip("-")[:40] or "quest"
    stem = f"{slug}-{quest.sha256[:8]}"
    names = itertools.chain([stem], (f"{stem}-{number}" for number in itertools.count(2)))
    return next(name for name in names if not (world.battles / name).exists())


def take_in_events(world: World, battle: Battle) -> Iterator[Event]:
    """What the trainer said since last time, each event when it is taken in: its rows and the new offset are committed.

    A half-written last line waits. A whole line that is no event is told once and passed over.
    """
    try:
        yield from _take_in(world, battle)
    except Exception:
        battle.refresh_from_db()  # in memory it may be ahead of what was committed
        raise


def _take_in(world: World, battle: Battle) -> Iterator[Event]:
    path = world.battles / battle.battle_id / EVENTS_FILE
    size = path.stat().st_size if path.exists() else 0
    if size <= battle.events_offset:
        return
    with open(path, "rb") as file:
        file.seek(battle.events_offset)
        for line in file:
            if not line.endswith(b"\n"):
                break
            event = _parse(battle, line)
            if event:
                _settle_files(world, battle, event)
                _settle_rest(world, event, newest=battle.events_offset + len(line) >= size)
            with transaction.atomic():
                if event:
                    chronicle.record_event(battle.battle_id, event)
                    _CONSEQUENCES.get(event.kind, _nothing)(world, battle, event)
                battle.events_offset += len(line)
                battle.save()
            if event:
                yield event


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


def _settle_rest(world: World, event: Event, *, newest: bool) -> None:
    """Before the rows, so that a killed daemon still rests when it comes back.

    An event that another one followed, read again after a lost database, was seen to long ago.
    """
    if not newest:
        return
    if event.kind == EventKind.BATTLE_PAUSED and event.data.get("asked") == "faults":
        arena_status.rest(world, asked="faults", reason=str(event.data.get("reason") or event.message))
    if event.kind == EventKind.BATTLE_FAILED and event.data.get("blame") == "hero":
        arena_status.rest(world, asked="trouble", reason=event.message)


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
    set_aside = [refusal for refusal in report.refused if refusal.kind in SET_ASIDE_KINDS]
    by_trainer = [Refusal(row["line"], row["reason"], row.get("kind", "trainer")) for row in named]
    kinds = {kind: count for kind, count in report.refused_by_kind.items() if kind in SET_ASIDE_KINDS}
    refused = report.set_aside + refused_count
    everything = sorted([*set_aside, *by_trainer], key=lambda refusal: refusal.line)
    battle.quest.taken = report.rows - refused
    battle.quest.save(update_fields=["taken"])
    reports.write_report(
        path,
        replace(
            report,
            taken=report.rows - refused,
            refused_count=refused,
            refused=tuple(everything[: reports.MOST_NAMED]),
            refused_by_kind=kinds | ({"trainer": refused_count} if refused_count else {}),
        ),
    )


def _nothing(world: World, battle: Battle, event: Event) -> None:
    pass


def _started(world: World, battle: Battle, event: Event) -> None:
    battle.state = Battle.State.TRAINING
    battle.first_step = event.data["first_step"]
    battle.total_steps = event.data["total_steps"]


def _checkpoint_saved(world: World, battle: Battle, event: Event) -> None:
    best = vault_selectors.best_checkpoint(world, battle.hero, "val_loss")
    try:
        checkpoint = vault.index_checkpoint(world, battle.hero, event.data["name"])
    except DamagedCheckpoint as damage:
        log.error("not indexed: %s", damage)
        return
    _follow_hero_level(battle, event, checkpoint)
    if best:
        _follow_champion(battle, event, checkpoint, best)
    _enqueue_evaluation(world, battle, event, checkpoint)


def _enqueue_evaluation(world: World, battle: Battle, event: Event, checkpoint: Checkpoint) -> None:
    """In the transaction that takes in the event: a checkpoint that is listed is also queued."""
    try:
        order = Order.read(order_path(world, battle))
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


def _follow_champion(battle: Battle, event: Event, checkpoint: Checkpoint, best: Checkpoint) -> None:
    if checkpoint.val_loss is None or best.val_loss is None or checkpoint.val_loss >= best.val_loss:
        return
    chronicle.follow_up(
        battle.battle_id,
        event,
        "new_champion",
        f"New champion by validation loss! Checkpoint {checkpoint.step} beats {best.step}: "
        f"{checkpoint.val_loss:.4g} < {best.val_loss:.4g}",
        name=checkpoint.name,
        val_loss=checkpoint.val_loss,
        previous=best.val_loss,
    )


def _answered(world: World, battle: Battle, event: Event) -> None:
    """Judged here if that takes no time; a remote trainer judges through the queue, for nobody waits for it here."""
    path = world.battles / battle.battle_id / ANSWERS_FOLDER / Path(event.data["file"]).name
    skill, level = event.data["skill"], event.data["level"]
    try:
        answers = json.loads(path.read_bytes())
        record = AnswerRecord(
            hero=battle.hero,
            checkpoint=event.data["checkpoint"],
            step=event.step,
            skill=skill,
            level=level,
            answers=tuple(answers),
            answered_by="trainer",
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
            seconds=record.seconds,
        )
    except (GuildError, OSError, ValueError) as error:
        chronicle.follow_up(battle.battle_id, event, "guild_trouble", str(error))
        return
    for kind, message, data in evaluations.told_of(skill, level, verdict):
        chronicle.follow_up(battle.battle_id, event, kind, message, **data)


def _completed(world: World, battle: Battle, event: Event) -> None:
    end(battle, Battle.State.COMPLETED)
    chronicle.follow_up(
        battle.battle_id,
        event,
        "quest_completed",
        f"Quest complete! {battle.quest.name}, +{GOLD_PER_QUEST} gold",
        quest=battle.quest.name,
        gold=GOLD_PER_QUEST,
    )


def _paused(world: World, battle: Battle, event: Event) -> None:
    battle.state = Battle.State.PAUSED


def _stopped(world: World, battle: Battle, event: Event) -> None:
    end(battle, Battle.State.STOPPED)
    if arena_status.skipped_battle(world) == battle.battle_id:
        chronicle.follow_up(battle.battle_id, event, "quest_skipped", f"{battle.quest.name} was skipped")


def _failed(world: World, battle: Battle, event: Event) -> None:
    if event.data.get("blame") == "quest":
        end(battle, Battle.State.FAILED)
    else:
        battle.state = Battle.State.PAUSED


def end(battle: Battle, state: Battle.State) -> None:
    """The caller saves the row, in a transaction with what it tells of the end."""
    battle.state = state
    battle.ended_at = datetime.now(UTC)


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
