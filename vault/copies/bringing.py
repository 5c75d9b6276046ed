"""Brings an asset to a folder of this machine from the best copy that holds what it promises."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from realm.disk import locks
from realm.world import World
from vault import chronicle
from vault.assets import rows
from vault.assets.discovery import check_record
from vault.assets.manifest import Manifest
from vault.copies.locating import copies_of
from vault.copies.reading import manifest_here, reader
from vault.errors import Damaged, NotFound, Refused, Unreachable, VaultError
from vault.models import Asset, Location
from vault.strongholds import fetching
from vault.strongholds.contract import Progress, unheard
from vault.strongholds.deadline import within
from vault.strongholds.opening import open_stronghold
from vault.strongholds.registry import LOCAL

ANSWER_SECONDS = 10.0
"""That a stronghold may take to say what it has, before the next one is asked."""
WAIT_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class Brought:
    path: Path
    stronghold: str
    bytes_transferred: int
    messages: tuple[str, ...] = ()
    """About copies that were damaged or did not answer, and were passed over."""


def bring(
    world: World, asset: Asset, target: Path, *, source: str = "", by: str, progress: Progress = unheard
) -> Brought:
    """Copy to `target`, or into it under the asset's own name where it is a folder that exists.

    `source`: the stronghold to take it from; else the best one, and the next one where that is damaged or silent.
    Raises NotFound where there is no copy, Refused for a target that cannot be, and what the last copy had against it.
    """
    target = target / asset.name if target.is_dir() else target
    with only_one(world, asset):
        copies = [
            each
            for each in copies_of(world, asset)
            if each.state == Location.State.PRESENT and source in ("", each.stronghold)
        ]
        if not copies:
            raise NotFound(f"{asset.asset_id} has no copy that is whole{f' at {source}' if source else ''}.")
        return _from_first(world, copies, target, by, progress)


def _from_first(world: World, copies: list[Location], target: Path, by: str, progress: Progress) -> Brought:
    passed_over: list[VaultError] = []
    for location in copies:
        try:
            manifest = _take(world, location, target, progress)
        except (Damaged, NotFound) as error:
            state = Location.State.DAMAGED if isinstance(error, Damaged) else Location.State.MISSING
            rows.mark(location, state, str(error))
            passed_over.append(error)
        except Unreachable as error:
            passed_over.append(error)
        else:
            messages = tuple(map(str, passed_over))
            _record(world, location, target, by, messages)
            return Brought(
                path=target,
                stronghold=location.stronghold,
                bytes_transferred=manifest.size_bytes,
                messages=messages,
            )
    if len(passed_over) == 1:
        raise passed_over[0]
    kind = Unreachable if all(isinstance(error, Unreachable) for error in passed_over) else Damaged
    raise kind("; ".join(map(str, passed_over)))


def _take(world: World, location: Location, target: Path, progress: Progress) -> Manifest:
    if location.stronghold == LOCAL:
        path, manifest = rows.here(world, location), manifest_here(world, location)
        fetching.receive(manifest, target, reader(path, manifest), progress=progress)
        return manifest
    stronghold = open_stronghold(world, location.stronghold)
    manifest = within(ANSWER_SECONDS, lambda: check_record(stronghold, location), who=location.stronghold)
    stronghold.get(rows.stored_of(location), target, progress=progress)
    return manifest


def _record(world: World, location: Location, target: Path, by: str, messages: tuple[str, ...]) -> None:
    chronicle.record(
        world,
        "fetch",
        by=by,
        asset_id=location.asset.asset_id,
        source=location.stronghold,
        path=str(target),
        passed_over=list(messages),
    )


@contextmanager
def only_one(world: World, asset: Asset) -> Iterator[None]:
    """Nobody else copies, brings or drops this asset meanwhile. Raises Refused where somebody does for a while."""
    folder = world.vault / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with locks.held(folder / f"{asset.asset_id}.lock", seconds=WAIT_SECONDS):
            yield
    except locks.Taken:
        raise Refused(f"{asset.asset_id} is being copied just now; try again when that is done") from None
