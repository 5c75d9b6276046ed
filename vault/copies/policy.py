"""The copies policy: how many copies each checkpoint has, where they are, and the missing ones made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice

from django.utils import timezone

from guild.champion import crown
from realm.config import CopiesRules
from realm.world import World
from vault.assets import rows
from vault.assets.ids import checkpoint_id
from vault.copies.locating import copies_of
from vault.copies.making import copy_to, verify_copy
from vault.errors import Unreachable, VaultError
from vault.models import Asset, Checkpoint, Location
from vault.strongholds.contract import Progress, unheard
from vault.strongholds.opening import Known, known_strongholds
from vault.strongholds.registry import LOCAL

_BATCH = 500


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A checkpoint's copies, held against the policy."""

    asset_id: str
    hero: str
    name: str
    size_bytes: int
    verified: tuple[str, ...]
    """Strongholds whose copy was read lately enough to count."""
    unverified: tuple[str, ...]
    """Where there is a copy whose last reading is too long ago."""
    broken: tuple[str, ...]
    """Where it is missing or damaged."""
    elsewhere: int
    """Of the copies that count."""
    to: tuple[str, ...]
    """Strongholds to which it is to be copied."""
    short: int
    """Copies that are missing beyond those: there is no stronghold for them."""

    @property
    def is_enough(self) -> bool:
        return not (self.to or self.short or self.unverified)


@dataclass
class Applied:
    made: list[str] = field(default_factory=list)
    verified: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    """One sentence each."""


def survey(world: World, rules: CopiesRules) -> Iterator[Standing]:
    """Of each checkpoint in this world that the policy is about, newest first. Nobody is asked."""
    known = known_strongholds(world)
    for asset in _assets(_chosen(world, rules)):
        yield _standing(world, asset, rules, known, _usable(known))


def apply(world: World, rules: CopiesRules, *, by: str, progress: Progress = unheard) -> Applied:
    """Read what was not read for long, then make what is missing. One stronghold's silence is not waited for twice."""
    done, silent = Applied(), set[str]()
    for standing in survey(world, rules):
        asset = Asset.objects.filter(asset_id=standing.asset_id).first()
        if asset is None:  # it was deleted meanwhile
            continue
        for location in asset.locations.filter(stronghold__in=standing.unverified, state=Location.State.PRESENT):
            if location.stronghold not in silent:
                _verify(world, location, by, progress, done, silent)
        known = known_strongholds(world)
        again = _standing(world, asset, rules, known, [each for each in _usable(known) if each.name not in silent])
        for name in again.to:
            _copy(world, asset, name, by, progress, done, silent)
    return done


def _usable(known: Iterable[Known]) -> list[Known]:
    """Those that the player named in `strongholds.yaml`; nothing is copied to a zone that was not named there."""
    return [each for each in known if each.entry and not each.entry.unusable]


def _verify(world: World, location: Location, by: str, progress: Progress, done: Applied, silent: set[str]) -> None:
    try:
        verify_copy(world, location, by=by, progress=progress)
        done.verified.append(f"{location.asset.asset_id} at {location.stronghold}")
    except VaultError as error:
        _fail(location.asset, location.stronghold, error, done, silent)


def _copy(world: World, asset: Asset, name: str, by: str, progress: Progress, done: Applied, silent: set[str]) -> None:
    if name in silent:
        return
    try:
        copy_to(world, asset, name, by=by, progress=progress)
        done.made.append(f"{asset.asset_id} at {name}")
    except VaultError as error:
        _fail(asset, name, error, done, silent)


def _fail(asset: Asset, name: str, error: VaultError, done: Applied, silent: set[str]) -> None:
    done.failed.append(f"{asset.asset_id} at {name}: {error}")
    if isinstance(error, Unreachable):
        silent.add(name)


def _chosen(world: World, rules: CopiesRules) -> Iterator[Checkpoint]:
    crowned: dict[str, set[str]] = {}
    for row in Checkpoint.objects.order_by("-created_at", "-name"):
        if not (world.home / rows.local_path(row)).is_dir():
            continue
        if rules.which != "kept":
            champions = crowned.setdefault(row.hero, crown.crowned(world, row.hero))
            if row.name not in champions and not (rules.which == "protected" and row.protected):
                continue
        yield row


def _assets(chosen: Iterator[Checkpoint]) -> Iterator[Asset]:
    """With their copies; what is not listed as its checkpoint is now is written down."""
    while batch := list(islice(chosen, _BATCH)):
        ids = [checkpoint_id(row.hero, row.name) for row in batch]
        known = Asset.objects.filter(asset_id__in=ids).prefetch_related("locations").in_bulk(field_name="asset_id")
        for asset_id, row in zip(ids, batch, strict=True):
            asset = known.get(asset_id)
            yield asset if asset and _is_current(asset, row) else rows.asset_of_checkpoint(row)


def _is_current(asset: Asset, row: Checkpoint) -> bool:
    here = {each.manifest_sha256 for each in asset.locations.all() if each.stronghold == LOCAL}
    return asset.manifest_sha256 == row.sidecar_sha256 and row.sidecar_sha256 in here


def _standing(
    world: World, asset: Asset, rules: CopiesRules, known: Sequence[Known], strongholds: list[Known]
) -> Standing:
    since = timezone.now() - timedelta(days=rules.verified_days)
    away = {each.name for each in strongholds if each.elsewhere}
    copies = copies_of(world, asset, known)
    present = [each for each in copies if each.state == Location.State.PRESENT]
    fresh = {each.stronghold for each in present if each.verified_at and each.verified_at >= since}
    have = {each.stronghold for each in present}
    to, short = _where(rules, have, away, [each.name for each in strongholds])
    return Standing(
        asset_id=asset.asset_id,
        hero=asset.hero,
        name=asset.name,
        size_bytes=asset.size_bytes,
        verified=tuple(sorted(fresh)),
        unverified=tuple(sorted(have - fresh)),
        broken=tuple(sorted({each.stronghold for each in copies} - have)),
        elsewhere=len(fresh & away),
        to=to,
        short=short,
    )


def _where(rules: CopiesRules, have: set[str], away: set[str], names: list[str]) -> tuple[tuple[str, ...], int]:
    """Where the missing copies go, other machines first, and how many have no place."""
    free = [name for name in names if name not in have]
    missing = max(0, rules.elsewhere - len(have & away))
    chosen = [name for name in free if name in away][:missing]
    short = missing - len(chosen)
    rest = [name for name in sorted(free, key=lambda name: name not in away) if name not in chosen]
    more = max(0, rules.copies - len(have) - len(chosen) - short)
    return (*chosen, *rest[:more]), short + max(0, more - len(rest))
