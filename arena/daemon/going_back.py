"""Carries out that a hero goes on from another checkpoint. `branches.json` is the truth, all else follows from it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from arena import branch_orders
from arena.branch_orders import CannotGoOn, GoOnFrom
from arena.models import ChronicleEntry
from realm.checkpoints import branches
from realm.checkpoints.branches import Branches
from realm.checkpoints.sidecar import SIDECAR, Sidecar
from realm.world import World
from vault import chronicle as history
from vault.assets.ids import checkpoint_id
from vault.errors import Refused
from vault.treasury.lock import locked

log = logging.getLogger(__name__)

KIND = "branch_changed"
WAIT_SECONDS = 10.0
"""For who deletes or thins; the arena has other work."""


def obey(world: World, *, on_damaged: Callable[[str], None], tell: Callable[..., None]) -> bool:
    """Whether an order was there. `tell` takes kind and message of what is refused."""
    obeyed = False
    for path, order in branch_orders.MAILBOX.waiting(world, on_damaged=on_damaged):
        log.info("%s goes on from %s, asked by %s", order.hero, order.name, order.by)
        try:
            carry_out(world, order)
        except CannotGoOn as why:
            tell("order_refused", f"{order.hero} does not go on from {order.name}: {why}", act="go-on-from")
        path.unlink(missing_ok=True)
        obeyed = True
    return obeyed


def carry_out(world: World, order: GoOnFrom) -> None:
    """Safe to repeat after a kill at any point. Raises CannotGoOn."""
    folder = world.heroes / order.hero
    start = branch_orders.start_of(world, order.hero, order.name)
    if branches.tip(folder) != (start.name if start else None):
        branch_orders.check(world, order.hero, start)
        _begin(world, order.hero, start)
    found = branches.read(folder)
    history.record_once(
        world,
        "go-on-from",
        by=order.by,
        asset_id=checkpoint_id(order.hero, start.name) if start else "",
        hero=order.hero,
        branch=found.active,
        change=found.changes,
    )
    _tell(order.hero, start, found)


def _begin(world: World, hero: str, start: Sidecar | None) -> None:
    """Nobody deletes it meanwhile: from here on a branch begins at it."""
    folder = world.heroes / hero
    try:
        with locked(world, seconds=WAIT_SECONDS):
            if start and _is_gone(folder / start.name):
                raise CannotGoOn(f"{start.name} was deleted just now")
            branches.go_on_from(folder, start, moment=datetime.now().astimezone())
    except Refused as error:
        raise CannotGoOn(str(error)) from error


def _is_gone(checkpoint: Path) -> bool:
    return not (checkpoint / SIDECAR).exists()


def _tell(hero: str, start: Sidecar | None, found: Branches) -> None:
    """Once for each change, however often the order is read."""
    where, step = (start.name, start.step) if start else ("its base model", 0)
    fresh = " with a fresh optimizer, since its moments made room" if start and start.thinned else ""
    kept = "; nothing of the other branches is deleted" if found.branches else ""
    ChronicleEntry.objects.get_or_create(
        source=f"branches:{hero}",
        source_seq=found.changes,
        defaults={
            "kind": KIND,
            "time": datetime.now().astimezone(),
            "step": step,
            "message": f"{hero} goes on from {where}{fresh}, on {branches.title(found.active)}{kept}"[:500],
            "data": {"hero": hero, "active_branch": found.active, "checkpoint": start.name if start else None},
        },
    )
