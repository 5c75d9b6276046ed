"""Carries out that a hero goes on from another checkpoint. `branches.json` is the truth, all else follows from it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from arena import branch_orders
from arena.branch_orders import CannotGoOn, GoOnFrom
from arena.models import ChronicleEntry
from realm.checkpoints import branches
from realm.checkpoints.branches import Branches
from realm.checkpoints.sidecar import Sidecar
from realm.world import World

log = logging.getLogger(__name__)

KIND = "branch_changed"


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
        branches.go_on_from(folder, start, moment=datetime.now().astimezone())
    _tell(order.hero, start, branches.read(folder))


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
