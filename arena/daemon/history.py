"""Carries out what the player wishes of battles that are over, and empties their trash in time."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from arena import chronicle, disk_errors
from arena.history import deleting
from arena.history_orders import MAILBOX, SLICE, Act, HistoryOrder
from arena.models import Battle
from realm.world import World

log = logging.getLogger(__name__)


def obey(world: World, *, on_damaged: Callable[[str], None], tell: Callable[..., None]) -> bool:
    """Whether an order was there; one slice of one order at a time.

    Raises OSError for what passes, after which it is tried again.
    """
    for path, order in MAILBOX.waiting(world, on_damaged=on_damaged):
        log.info("%s of %d battles asked by %s", order.act, len(order.battles), order.by)
        _carry_out(world, path, order, tell)
        return True
    return False


def _carry_out(world: World, path: Path, order: HistoryOrder, tell: Callable[..., None]) -> None:
    """Doing it twice changes nothing, so a kill between the slices loses nothing."""
    now, behind = order.battles[:SLICE], order.battles[SLICE:]
    rows = {row.battle_id: row for row in Battle.objects.filter(battle_id__in=now).select_related("quest", "record")}
    missed = [f"{name}: there is no such battle" for name in now if name not in rows]
    found = [rows[name] for name in dict.fromkeys(now) if name in rows]
    keep = deleting.reasons_to_stay(world, found) if order.act is Act.DELETE else {}
    missed += [f"{name} stays: {why}" for name, why in keep.items()]
    done, freed = order.done, order.freed_bytes
    for battle in found:
        if battle.battle_id in keep:
            continue
        try:
            if order.act is Act.DELETE:
                freed += deleting.put_away(world, battle, by=order.by)
            elif not deleting.put_back(world, battle):
                missed.append(f"{battle.battle_id} cannot be put back: its trash was emptied")
                continue
        except OSError as error:
            if disk_errors.passes(error):
                raise
            log.exception("%s cannot be moved", battle.battle_id)  # else it would end each daemon that finds the order
            missed.append(f"{battle.battle_id} cannot be moved: {error}")
        else:
            done += 1
    if missed:
        more = f" (and {len(missed) - 1} more)" if len(missed) > 1 else ""
        tell("order_refused", f"{missed[0]}{more}"[:500], act=order.act)
    if behind:
        MAILBOX.leave_rest(path, replace(order, battles=behind, done=done, freed_bytes=freed))
        return
    if done:
        _tell(order.act, done, freed)
    path.unlink(missing_ok=True)


def _tell(act: Act, done: int, freed: int) -> None:
    who = "1 battle is" if done == 1 else f"{done:,} battles are"
    if act is Act.DELETE:
        what = f"deleted; its curves can be put back for {deleting.TRASH_DAYS} days"
        said = f"{who} {what if done == 1 else what.replace('its', 'their')}. XP, gold and levels stay."
        chronicle.say("battles_deleted", said, battles=done, bytes=freed)
    else:
        chronicle.say("battles_restored", f"{who} back", battles=done)
