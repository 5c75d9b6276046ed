"""All that a snapshot entails: it is taken, others make room, and the engine of the settings keeps it elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings

from realm.world import World
from vault.archivist import engines, keeping, snapshots
from vault.archivist.engines import Kept
from vault.archivist.rules import read_rules
from vault.archivist.snapshots import Snapshot
from vault.strongholds.contract import Progress, unheard


@dataclass(frozen=True, kw_only=True)
class Archived:
    snapshot: Snapshot
    pruned: tuple[str, ...]
    """Names of the snapshots that made room."""
    kept: Kept | None
    """What the engine did; None for plain folders, and for a database alone."""


def archive(
    world: World,
    *,
    reason: str,
    by: str,
    with_secrets: bool = False,
    database_alone: bool = False,
    progress: Progress = unheard,
) -> Archived:
    """As the settings have it. Raises what `snapshots.take` does, and EngineFailed, where the snapshot stays."""
    rules = read_rules(settings.REALM.archivist)
    taken = snapshots.take(
        world, reason=reason, by=by, with_secrets=with_secrets, database_alone=database_alone, progress=progress
    )
    pruned = keeping.prune(world, rules)
    kept = engines.keep(world, rules, taken, by=by) if taken.holds == "world" else None
    return Archived(snapshot=taken, pruned=tuple(pruned), kept=kept)
