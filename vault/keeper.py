"""Knows where every asset lies and brings it here: `VaultKeeper().locate("checkpoint_175000").best_location.path`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, transaction
from django.db.models import Count, Q, QuerySet, Sum
from django.utils import timezone

from realm.checkpoints.sidecar import SIDECAR, DamagedCheckpoint
from realm.strict import shown
from realm.world import World
from vault import chronicle
from vault.assets import rows
from vault.assets.ids import CHECKPOINT, CONFIG, DATA, MODEL, is_asset_id, kind_of
from vault.assets.local import Found, manifest_of
from vault.assets.manifest import Manifest, of_checkpoint
from vault.assets.resolving import resolve
from vault.copies import dropping, fetched, locating, making
from vault.copies.bringing import bring
from vault.copies.locating import Located
from vault.copies.reading import manifest_here
from vault.errors import Damaged, NotFound, Refused, Unreachable, VaultError
from vault.index import index_checkpoint
from vault.models import Asset, Location
from vault.strongholds.contract import Progress, unheard
from vault.strongholds.places import checkpoint_id_at
from vault.strongholds.registry import LOCAL

MOST_FOUND = 1000
_CONFIG_SUFFIXES = frozenset({".yaml", ".yml", ".toml", ".ini"})


@dataclass(frozen=True, kw_only=True)
class Fetched:
    success: bool
    asset_id: str
    local_path: str = ""
    source: str = ""
    """The stronghold whose copy it is."""
    bytes_transferred: int = 0
    messages: tuple[str, ...] = ()
    """About copies that were damaged or silent and were passed over."""
    error: VaultError | None = None

    @property
    def message(self) -> str:
        """Why there was no success."""
        return str(self.error or "")


@dataclass(frozen=True, kw_only=True)
class Stats:
    assets: int
    size_bytes: int
    """Of one copy of each."""
    copies: int
    by_kind: dict[str, int] = field(default_factory=dict)
    by_stronghold: dict[str, int] = field(default_factory=dict)
    """Copies."""
    bytes_by_stronghold: dict[str, int] = field(default_factory=dict)
    missing: int
    damaged: int
    unverified: int
    """Copies no byte of which was read since they were seen."""


class VaultKeeper:
    """`world`: None is that of the settings. `by`: who is said to have done what is done."""

    def __init__(self, world: World | None = None, *, by: str = "command line") -> None:
        self.world: World = world or settings.WORLD
        self.by = by

    def locate(self, asset_id: str) -> Located:
        """Where its copies are; `found` is False for what the vault does not know."""
        return locating.locate(self.world, asset_id)

    def fetch(self, asset_id: str, path: str | Path, *, source: str = "", progress: Progress = unheard) -> Fetched:
        """Copy it to `path`, or into that where it is a folder, every byte held against its digest.

        It is there whole or not at all; `success`, `message` and `error` say which and why.
        """
        try:
            asset = resolve(self.world, asset_id)
            brought = bring(
                self.world, asset, Path(path).expanduser().absolute(), source=source, by=self.by, progress=progress
            )
        except VaultError as error:
            return Fetched(success=False, asset_id=asset_id, error=error)
        return Fetched(
            success=True,
            asset_id=asset.asset_id,
            local_path=str(brought.path),
            source=brought.stronghold,
            bytes_transferred=brought.bytes_transferred,
            messages=brought.messages,
        )

    def register(self, path: str | Path, kind: str | None = None, asset_id: str | None = None) -> Asset:
        """List what lies at `path` on this machine; it stays there. Raises Refused for what cannot be an asset."""
        place = Path(path).expanduser().absolute()
        self._check_registrable(place)
        kind = kind or (kind_of(asset_id) if asset_id else _kind_at(place))
        is_checkpoint = kind == CHECKPOINT
        asset = self._register_checkpoint(place) if is_checkpoint else self._register_file(place, kind, asset_id)
        chronicle.record(self.world, "register", by=self.by, asset_id=asset.asset_id, path=str(place))
        return asset

    def _check_registrable(self, place: Path) -> None:
        real = place.resolve()
        if not real.exists():
            raise Refused(f"there is nothing at {place}")
        if real.is_relative_to(self.world.secrets.resolve()):
            raise Refused(f"{place} is a secret, and no asset")

    def _register_checkpoint(self, place: Path) -> Asset:
        if place.parent.parent == self.world.heroes:
            try:
                return rows.asset_of_checkpoint(index_checkpoint(self.world, place.parent.name, place.name))
            except DamagedCheckpoint as error:
                raise Damaged(str(error)) from error
        try:
            manifest = of_checkpoint(checkpoint_id_at(place.name, (place / SIDECAR).read_bytes()), place)
        except (DamagedCheckpoint, OSError) as error:
            raise Damaged(f"{place} is no whole checkpoint: {error}") from error
        return self._put(manifest, place)

    def _register_file(self, place: Path, kind: str, asset_id: str | None) -> Asset:
        if kind not in (MODEL, DATA, CONFIG):
            raise Refused(f"{shown(kind)} is no kind of asset; there are checkpoint, model, data and config")
        found = Found(kind, place, place)
        chosen = asset_id or found.asset_id
        if not is_asset_id(chosen) or kind_of(chosen) != kind:
            raise Refused(f"{shown(chosen)} is no id of an asset of the kind {kind}; it begins with {kind}_")
        try:
            manifest = manifest_of(self.world, found, chosen)
        except (DamagedCheckpoint, OSError) as error:
            raise Refused(f"{place} is no asset: {error}") from error
        return self._put(manifest, place)

    @transaction.atomic
    def _put(self, manifest: Manifest, place: Path) -> Asset:
        known = Asset.objects.filter(asset_id=manifest.asset_id).first()
        if known and known.manifest_sha256 != manifest.record_sha256:
            raise Refused(f"{manifest.asset_id} is something else already; give this one another asset_id")
        asset = rows.asset_of_manifest(manifest, datetime.fromtimestamp(place.stat().st_mtime, UTC))
        rows.put_location(
            asset,
            LOCAL,
            str(place.relative_to(self.world.home) if place.is_relative_to(self.world.home) else place),
            manifest_sha256=manifest.record_sha256,
            size_bytes=manifest.size_bytes,
        )
        return asset

    def search(self, *, kind: str = "", text: str = "", limit: int = MOST_FOUND, offset: int = 0) -> Sequence[Asset]:
        """Newest first, those whose id or name has `text` in it."""
        return list(_named(kind, text)[offset : offset + limit])

    def count(self, *, kind: str = "", text: str = "") -> int:
        """How many `search` would find without a limit."""
        return _named(kind, text).count()

    def stats(self) -> Stats:
        at = Location.objects.values("stronghold").annotate(copies=Count("pk"), size=Sum("size_bytes"))
        by_stronghold = {row["stronghold"]: row for row in at.order_by("stronghold")}
        kinds = Asset.objects.values("kind").annotate(count=Count("pk")).order_by("kind")
        states = Location.State
        return Stats(
            assets=Asset.objects.count(),
            size_bytes=Asset.objects.aggregate(size=Sum("size_bytes"))["size"] or 0,
            copies=Location.objects.filter(state=states.PRESENT).count(),
            by_kind={row["kind"]: row["count"] for row in kinds},
            by_stronghold={name: row["copies"] for name, row in by_stronghold.items()},
            bytes_by_stronghold={name: row["size"] for name, row in by_stronghold.items()},
            missing=Location.objects.filter(state=states.MISSING).count(),
            damaged=Location.objects.filter(state=states.DAMAGED).count(),
            unverified=Location.objects.filter(state=states.PRESENT, verified_at=None).count(),
        )

    def copy(self, asset_id: str, stronghold: str, *, progress: Progress = unheard) -> Location:
        """Raises NotFound, Refused, Damaged, Unreachable; then there is no copy that counts."""
        asset = resolve(self.world, asset_id)
        return making.copy_to(self.world, asset, stronghold, by=self.by, progress=progress)

    def copy_at(self, asset_id: str, stronghold: str) -> Location:
        """The copy of an asset there. Raises NotFound."""
        asset = resolve(self.world, asset_id)
        found = [each for each in locating.copies_of(self.world, asset) if each.stronghold == stronghold]
        if not found:
            raise NotFound(f"{asset.asset_id} has no copy at {shown(stronghold)}.")
        return found[0]

    def verify_copy(self, location: Location, *, progress: Progress = unheard) -> Location:
        """Read every byte of it. Raises Damaged or NotFound, which the copy is marked with, and Unreachable."""
        return making.verify_copy(self.world, location, by=self.by, progress=progress)

    def drop_copy(self, location: Location, *, progress: Progress = unheard) -> int:
        """Bytes that were given back. Raises Refused unless another copy was verified lately, and is whole still."""
        days = settings.REALM.copies.verified_days
        return dropping.drop_copy(self.world, location, verified_days=days, by=self.by, progress=progress)


def ask_vault_first(
    asset_id: str,
    fallback: str | Path | None = None,
    *,
    world: World | None = None,
    source: str = "",
    by: str = "command line",
    progress: Progress = unheard,
) -> str:
    """The local path of an asset, which is fetched into the world where it lies elsewhere.

    `source` names the stronghold to take it from. `fallback` is what comes back where the vault does not know the
    asset, or nobody who has it answers. Raises NotFound or Unreachable where there is none, and Damaged where all that
    the vault has is damaged.
    """
    keeper = VaultKeeper(world, by=by)
    try:
        return str(_local_path(keeper, asset_id, source, progress))
    except (NotFound, Unreachable):
        if fallback is None:
            raise
    except DatabaseError as error:
        if fallback is None:
            raise NotFound(
                "The vault has no catalogue yet: `manage.py migrate`, then `manage.py vault scan`."
            ) from error
    return str(fallback)


def _local_path(keeper: VaultKeeper, asset_id: str, source: str, progress: Progress) -> Path:
    asset = resolve(keeper.world, asset_id)
    for location in locating.copies_of(keeper.world, asset):
        if location.stronghold == LOCAL and location.state == Location.State.PRESENT:
            try:
                if asset.kind == CHECKPOINT:
                    manifest_here(keeper.world, location)
                return rows.here(keeper.world, location)
            except Damaged as error:
                rows.mark(location, Location.State.DAMAGED, str(error))
    return _fetched_path(keeper, asset, source, progress)


def _fetched_path(keeper: VaultKeeper, asset: Asset, source: str, progress: Progress) -> Path:
    """A hero's checkpoint comes to the others; what would lie in the way of a damaged one, and all else, aside."""
    folder = keeper.world.heroes / asset.hero
    if asset.kind == CHECKPOINT and folder.is_dir() and not (folder / asset.name).exists():
        brought = bring(keeper.world, asset, folder / asset.name, source=source, by=keeper.by, progress=progress)
        listed = index_checkpoint(keeper.world, asset.hero, asset.name)
        rows.asset_of_checkpoint(listed, verified_at=timezone.now())
        return brought.path
    aside = fetched.place_of(keeper.world, asset)
    if not fetched.ask_for(aside):
        bring(keeper.world, asset, aside, source=source, by=keeper.by, progress=progress)
    return aside


def _kind_at(place: Path) -> str:
    if (place / SIDECAR).is_file():
        return CHECKPOINT
    if place.is_dir():
        return MODEL
    return CONFIG if place.suffix in _CONFIG_SUFFIXES else DATA


def _named(kind: str, text: str) -> QuerySet[Asset]:
    found = Asset.objects.filter(Q(asset_id__icontains=text) | Q(name__icontains=text))
    return found.filter(kind=kind) if kind else found
