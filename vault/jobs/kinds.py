"""What each kind of job does: the same functions that pages and commands call."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings

from realm.management.as_json import plain
from realm.world import World
from vault.archivist.archiving import archive
from vault.assets import manifest
from vault.assets.discovery import VaultDiscovery
from vault.assets.resolving import resolve
from vault.errors import Refused
from vault.keeper import VaultKeeper, ask_vault_first
from vault.ledger.exporting import export
from vault.ledger.verifying import verify
from vault.models import Asset, Job
from vault.strongholds.contract import Progress
from vault.strongholds.registry import StorageRegistry
from vault.zones.moving import pull_from_zone, push_to_zone

Act = Callable[[Job, Progress], Any]


def _fetch(job: Job, progress: Progress) -> Any:
    """To where such assets lie in this world, or under a name below `vault/fetched/`."""
    if not job.destination:
        was_here = _is_here(job.asset_id)
        path = ask_vault_first(job.asset_id, world=_world(), by=job.by, progress=progress)
        return {"local_path": path, "bytes_transferred": 0 if was_here else total_bytes(job) or 0}
    target = fetched_path(_world(), job.destination)
    if target.exists():
        raise Refused(f"there is something at {target} already; choose another destination")
    target.parent.mkdir(parents=True, exist_ok=True)
    fetched = VaultKeeper(_world(), by=job.by).fetch(job.asset_id, target, source=job.source, progress=progress)
    if fetched.error is not None:
        raise fetched.error
    return fetched


def _is_here(asset_id: str) -> bool:
    best = VaultKeeper(_world()).locate(asset_id).best_location
    return best is not None and best.stronghold == "local"


def _push(job: Job, progress: Progress) -> Any:
    """To a stronghold of this world by its keeper, else to a zone."""
    if job.destination in StorageRegistry(_world().home).list():
        return VaultKeeper(_world(), by=job.by).copy(job.asset_id, job.destination, progress=progress)
    there = str(job.options.get("destination", ""))
    return push_to_zone(job.asset_id, job.destination, destination=there, by=job.by, progress=progress)


def _pull(job: Job, progress: Progress) -> Any:
    folder = fetched_path(_world(), job.destination) if job.destination else None
    return pull_from_zone(job.asset_id, job.source, folder, by=job.by, progress=progress)


def _verify(job: Job, progress: Progress) -> Any:
    """A copy at a stronghold where it names one, else the checkpoint here."""
    if job.source:
        keeper = VaultKeeper(_world(), by=job.by)
        return keeper.verify_copy(keeper.copy_at(job.asset_id, job.source), progress=progress)
    asset, quick = _asset(job), bool(job.options.get("quick"))
    found = verify(_world(), asset.hero, asset.name, quick=quick, by=job.by, progress=progress)
    return {**plain(found), "success": found.whole, "message": str(found)}


def _export(job: Job, progress: Progress) -> Any:
    asset, adapter_only = _asset(job), bool(job.options.get("adapter_only"))
    if job.options.get("as_base"):
        out = _below(_world().models / "base", job.destination)
    else:
        out = export_folder(_world(), job.destination or (f"{asset.name}-adapter" if adapter_only else asset.name))
    out.parent.mkdir(exist_ok=True)
    return export(_world(), asset.hero, asset.name, out, adapter_only=adapter_only, by=job.by, progress=progress)


def _scan(job: Job, progress: Progress) -> Any:
    return VaultDiscovery(_world()).scan_all()


def _snapshot(job: Job, progress: Progress) -> Any:
    return archive(_world(), reason=str(job.options.get("reason", "asked for")), by=job.by, progress=progress)


ACTS: dict[str, Act] = {
    Job.Kind.FETCH: _fetch,
    Job.Kind.PUSH: _push,
    Job.Kind.PULL: _pull,
    Job.Kind.VERIFY: _verify,
    Job.Kind.EXPORT: _export,
    Job.Kind.SCAN: _scan,
    Job.Kind.SNAPSHOT: _snapshot,
}


def act(job: Job, progress: Progress) -> dict[str, Any]:
    """Do what the job asks for, in this thread; what came of it, as JSON has it. Raises what the function raises."""
    result = plain(ACTS[job.kind](job, progress))
    return result if isinstance(result, dict) else {"result": result}


def total_bytes(job: Job) -> int | None:
    """Of the asset that it is about, where it is known."""
    found = Asset.objects.filter(asset_id=job.asset_id).values_list("size_bytes", flat=True).first()
    return found or None


def export_folder(world: World, name: str) -> Path:
    """Where an export of that name lies: below `exports/` in the world. Raises Refused."""
    return _below(world.home / "exports", name)


def fetched_path(world: World, name: str) -> Path:
    """Where what is fetched under that name lies: below `vault/fetched/` in the world. Raises Refused."""
    return _below(world.vault / "fetched", name)


def _below(root: Path, name: str) -> Path:
    relative = name.removeprefix(f"{root}/")
    if not manifest.is_safe_path(relative):
        raise Refused(f"{name!r} is not allowed; allowed is a name of letters and digits below {root}")
    path = root / relative
    if root.is_symlink() or not path.resolve().is_relative_to(root.resolve()):
        raise Refused(f"{name!r} would lie outside {root}: there is a link in it")
    return path


def _asset(job: Job) -> Asset:
    return resolve(_world(), job.asset_id)


def _world() -> World:
    world: World = settings.WORLD
    return world
