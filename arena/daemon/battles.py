"""Opening a battle: the order that the trainer gets, and the row of the battle."""

from __future__ import annotations

import io
import itertools
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from arena import chronicle, embedded
from arena.daemon import kept_rows, outcomes, rehearsal
from arena.daemon.validation_sets import validation_sets
from arena.gate import report as reports
from arena.gate import row_index
from arena.history import repeating
from arena.models import Battle, Quest
from arena.protocol import (
    ORDER_FILE,
    SET_ASIDE_FILE,
    STEPS_FILE,
    EvaluationSet,
    Order,
    StepRecord,
)
from arena.queue import files as queue
from arena.recipe import Recipe
from arena.rows.formats import registry
from guild.curriculum.plan import read_curriculum
from guild.errors import GuildError
from guild.evaluation import exam
from realm.checkpoints import branches
from realm.checkpoints.names import step_of
from realm.config import RealmConfig
from realm.disk import durable
from realm.quest_names import sparring_level
from realm.strict import BadConfig
from realm.world import World

UNFINISHED = (Battle.State.TRAINING, Battle.State.PAUSED)


def all_unfinished() -> list[Battle]:
    """Of all heroes."""
    return list(Battle.objects.filter(state__in=UNFINISHED).select_related("quest"))


def unfinished(world: World, hero: str, rows: Sequence[Battle] | None = None) -> Battle | None:
    """The hero's battle that stands half-fought, if any; there is at most one. `rows`: `all_unfinished` where at hand.

    Another hero's waits until that one fights again, unless it has trained nothing: such a one is anybody's.
    """
    rows = all_unfinished() if rows is None else rows
    mine = (row for row in rows if row.hero == hero)
    return next(mine, None) or next((row for row in rows if not has_trained(world, row)), None)


def leave_to_wait(hero: str) -> None:
    """Battles of all heroes but this one are paused, also where the trainer died before it said so."""
    Battle.objects.exclude(hero=hero).filter(state=Battle.State.TRAINING).update(state=Battle.State.PAUSED)


def end(battle: Battle, state: Battle.State) -> None:
    """The caller saves the row, in a transaction with what it tells of the end."""
    battle.state = state
    battle.ended_at = datetime.now(UTC)


def order_path(world: World, battle: Battle) -> Path:
    return world.battles / battle.battle_id / ORDER_FILE


def read_order(world: World, battle: Battle) -> Order:
    """Raises OSError or ValueError."""
    return Order.read(order_path(world, battle))


def has_trained(world: World, battle: Battle) -> bool:
    """Whether a step of it was trained: then it goes on by its own order, whatever the settings say by now."""
    steps = world.battles / battle.battle_id / STEPS_FILE
    return steps.exists() and steps.stat().st_size >= StepRecord.SIZE


def open_battle(
    world: World,
    config: RealmConfig,
    recipe: Recipe,
    quest: Quest,
    *,
    specs: Mapping[str, dict[str, str]],
    host_answers: bool = False,
    reason: str = "",
) -> Battle:
    """Write the order of a quest that lies in `processing/`, and the row of its battle; on an error, neither.

    `specs` are the declared forms of rows, as `dataset_specs.load_declared` gave them. Where `host_answers`, the
    battle's checkpoints are evaluated through the queue and not by the trainer. `reason` is why the recipe is this one.
    """
    battle_id = _free_id(world, quest)
    folder = world.battles / battle_id
    folder.mkdir()
    try:
        kept_rows.keep(world, quest, specs)
        order = _order(world, config, recipe, quest, battle_id, specs, host_answers, reason)
        order.write()
        durable.sync_folder(world.battles)
        return Battle.objects.create(
            battle_id=battle_id, quest=quest, hero=order.hero, branch=order.branch, started_at=datetime.now(UTC)
        )
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def resolve_anew(
    world: World,
    config: RealmConfig,
    recipe: Recipe,
    battle: Battle,
    *,
    specs: Mapping[str, dict[str, str]],
    host_answers: bool = False,
    reason: str = "",
) -> None:
    """Write the order of a battle that has trained nothing once more, by the settings as they are now."""
    order = _order(world, config, recipe, battle.quest, battle.battle_id, specs, host_answers, reason)
    order.write()
    battle.hero, battle.branch = order.hero, order.branch
    battle.save(update_fields=["hero", "branch"])


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
    reason: str,
) -> Order:
    won = outcomes.levels_to_ask(world, config, quest.name, quest.skill)
    hero_folder = world.heroes / config.hero
    newest = branches.tip(hero_folder)  # where it turns out to be damaged, the battle begins from an older one
    asked_first = outcomes.not_evaluated(config.hero, newest, won)
    if host_answers and newest:
        branch = branches.branch_of(hero_folder / newest) or branches.FIRST
        outcomes.enqueue(config.hero, newest, step_of(newest) or 0, asked_first, branch=branch)
    rehearsed = rehearsal.write(world, config, recipe, quest, world.battles / battle_id)
    return Order(
        battle=battle_id,
        battle_folder=str(world.battles / battle_id),
        quest=quest.name,
        quest_file=str(queue.path_of(world, quest)),
        quest_sha256=quest.sha256,
        hero=config.hero,
        hero_folder=str(hero_folder),
        branch=branches.read(hero_folder).active,
        base_model=ensure_hero(world, config),
        skill=quest.skill or None,
        level=quest.level,
        evaluation_sets=() if host_answers else _evaluation_sets(world, config, quest),
        outcome_sets=won,
        asked_first=() if host_answers else asked_first,
        evaluated_by="queue" if host_answers else "trainer",
        validation_sets=validation_sets(world, config, quest, registry(specs)),
        flagged_folder=str(world.flagged_examples),
        job=quest.job,
        repeat_of=repeating.repeat_of(queue.path_of(world, quest)),
        opened_on=datetime.now().date().isoformat(),
        recipe=recipe,
        recipe_reason=reason,
        dataset_specs=dict(specs),
        set_aside_file=_write_set_aside(world, quest, world.battles / battle_id),
        rehearsal_file=str(rehearsed) if rehearsed else None,
    )


def _write_set_aside(world: World, quest: Quest, folder: Path) -> str | None:
    """Lines that the gatekeepers left out though they could be trained on, or held out; None where there are none.

    Kept with the battle: whatever happens beside the quest, a resumed run must leave out the same.
    """
    records = row_index.load(reports.companion(queue.path_of(world, quest), reports.ROWS))
    if records is None:
        return None
    lines = row_index.left_out_lines(records)
    if not len(lines):
        return None
    data = io.BytesIO()
    np.save(data, lines, allow_pickle=False)
    durable.write_bytes(folder / SET_ASIDE_FILE, data.getvalue())
    return str(folder / SET_ASIDE_FILE)


def _evaluation_sets(world: World, config: RealmConfig, quest: Quest) -> tuple[EvaluationSet, ...]:
    """A guild in trouble costs the battle its trial, not its training."""
    try:
        found = exam.evaluation_files(
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
