"""The hero's champion follows its checkpoints, once each of them has answered what it is asked."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from arena import chronicle
from arena.daemon import battles
from arena.models import Battle, ChronicleEntry
from arena.protocol import Event, EventKind, Order
from guild.champion import crown
from guild.champion.crown import Champion
from guild.evaluation.judging import Judged
from guild.models import Evaluation
from realm.checkpoints import sidecar
from realm.checkpoints.names import step_of
from realm.checkpoints.sidecar import DamagedCheckpoint
from realm.config import load as load_config
from realm.strict import BadConfig
from realm.world import World

log = logging.getLogger(__name__)

Say = Callable[[str, dict[str, Any]], None]
"""Takes message and data of a chronicle entry."""
KIND = "new_champion"
_DURING = (EventKind.CHECKPOINT_SAVED, EventKind.ANSWERED)
"""After these the trainer may have more answers to give; after the others of a battle it has not."""


def follow(world: World, battle: Battle, event: Event, *, checkpoint: str | None = None) -> None:
    """Let the checkpoints up to the event's step challenge for the crown of the battle's branch.

    `checkpoint` is that of the event; while some of its answers are to come it is left for the next time.
    """
    waiting = checkpoint if checkpoint and event.kind in _DURING and _is_asked_more(world, battle, checkpoint) else None
    if waiting and event.kind == EventKind.ANSWERED:
        return

    def say(message: str, told: dict[str, Any]) -> None:
        chronicle.follow_up(battle.battle_id, event, KIND, message, **told)

    _crown(world, battle.hero, say, branch=battle.branch, until=event.step, waiting=waiting)


def follow_queue(world: World, judged: Judged, say: Say) -> None:
    """The same after an evaluation that came through the queue, if its checkpoint lies here yet."""
    if (world.heroes / judged.hero / judged.checkpoint).is_dir():
        _crown(world, judged.hero, say)


def _crown(
    world: World,
    hero: str,
    say: Say,
    *,
    branch: str | None = None,
    until: int | None = None,
    waiting: str | None = None,
) -> None:
    try:
        metric = load_config(world).champion_metric
    except BadConfig as error:
        log.error("no champion is chosen: %s", error)
        return
    champion = crown.crown(world, hero, metric, branch=branch, until=until, unsettled=[waiting] if waiting else [])
    is_ahead = champion and until is not None and champion.step > until  # the events are read again
    if champion and champion.previous and not is_ahead and not _is_told(champion):
        before = step_of(champion.previous)
        told = {"name": champion.name, "metric": champion.metric, "previous": champion.previous, "why": champion.why}
        say(f"New champion! Checkpoint {champion.step} beats {before}: {champion.why}", told)


def _is_told(champion: Champion) -> bool:
    """The file is written before the row is: a killed daemon says then what it could not say."""
    told = ChronicleEntry.objects.filter(kind=KIND, data__name=champion.name, data__metric=champion.metric)
    return told.exists()


def _is_asked_more(world: World, battle: Battle, checkpoint: str) -> bool:
    """Whether it has answers to give yet; of a quest's last checkpoint these are more."""
    try:
        order = Order.read(battles.order_path(world, battle))
        is_last = sidecar.read(world.heroes / battle.hero / checkpoint).cursor.finished
    except (OSError, ValueError, DamagedCheckpoint):
        return False
    judged = set(Evaluation.objects.filter(hero=battle.hero, checkpoint=checkpoint).values_list("skill", "level"))
    asked = order.asked_last if is_last else order.evaluation_sets
    return any((one.skill, one.level) not in judged for one in asked)
