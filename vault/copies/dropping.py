"""Drops a copy, never the last one: only against another that was verified lately and is read once more meanwhile.

The rules are git-annex's: to be counted is not enough, the other copy must be there, whole and locked while this goes.
"""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from realm.world import World
from vault import chronicle
from vault.assets import rows
from vault.copies.bringing import only_one
from vault.copies.locating import copies_of
from vault.copies.making import verify_copy
from vault.copies.reading import manifest_of
from vault.errors import Damaged, NotFound, Refused, Unreachable
from vault.models import Location
from vault.strongholds.contract import Progress, unheard
from vault.strongholds.copying import are_of_one
from vault.strongholds.opening import open_stronghold
from vault.strongholds.registry import LOCAL


def drop_copy(world: World, location: Location, *, verified_days: int, by: str, progress: Progress = unheard) -> int:
    """Bytes that were given back. A damaged or missing copy goes without another one.

    Raises Refused where no other copy was verified within `verified_days` and is right still, and Unreachable.
    """
    if location.stronghold == LOCAL:
        raise Refused(
            f"{location.path} lies in this world: a checkpoint is deleted by `manage.py ledger delete`, a file by you"
        )
    with only_one(world, location.asset):
        if location.state == Location.State.PRESENT:
            _check_another(world, location, verified_days, by, progress)
        if location.state != Location.State.MISSING:
            open_stronghold(world, location.stronghold).drop(rows.stored_of(location))
        location.delete()
    chronicle.record(
        world,
        "drop",
        by=by,
        asset_id=location.asset.asset_id,
        stronghold=location.stronghold,
        path=location.path,
        bytes=location.size_bytes,
    )
    return location.size_bytes


def _check_another(world: World, location: Location, verified_days: int, by: str, progress: Progress) -> None:
    since = timezone.now() - timedelta(days=verified_days)
    others = [
        each
        for each in copies_of(world, location.asset)
        if each.pk != location.pk
        and each.state == Location.State.PRESENT
        and each.verified_at is not None
        and each.verified_at >= since
    ]
    reasons: list[str] = []
    for other in others:
        try:
            verify_copy(world, other, by=by, progress=progress)
            if _holds_as_much(world, other, location):
                return
            reasons.append(f"{other} does not hold as much")
        except (Damaged, NotFound, Unreachable) as error:
            reasons.append(str(error))
    why = "; ".join(reasons) or f"no other copy was verified within {verified_days} days; `vault verify` reads one"
    raise Refused(f"{location.asset.asset_id} stays at {location.stronghold}: {why}")


def _holds_as_much(world: World, other: Location, location: Location) -> bool:
    """Whether nothing is lost with the one: the same version, or a thinned one beside its whole."""
    if other.manifest_sha256 == location.manifest_sha256:
        return True
    more, less = manifest_of(world, other), manifest_of(world, location)
    return are_of_one(more, less) and set(less.files) <= set(more.files)
