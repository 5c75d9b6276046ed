"""Assets of this machine that are no checkpoints; bytes are read anew only where a file changed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePath

from django.conf import settings

from realm.disk import durable
from realm.strict import shown
from realm.world import PRIORITIES, World
from vault.assets import manifest as manifests
from vault.assets.ids import CONFIG, DATA, MODEL, named_id
from vault.assets.manifest import Manifest
from vault.errors import Refused

MODEL_CONFIG = "config.json"
_NO_DATA = frozenset({"flagged_examples", "sources"})


@dataclass(frozen=True)
class Found:
    kind: str
    path: Path
    name: PurePath
    """That it is called by, where its path says little."""

    @property
    def asset_id(self) -> str:
        return named_id(self.kind, self.name)


def find(world: World) -> Iterator[Found]:
    """Every model, data file and configuration of the world, in the same order each time."""
    yield from _models(world)
    yield from _data(world)
    yield from _configs(world)


def _models(world: World) -> Iterator[Found]:
    for folder in _below(world.models):
        if folder not in (world.heroes, world.current_model) and (folder / MODEL_CONFIG).is_file():
            yield Found(MODEL, folder, folder)
    base = settings.REALM.base_model
    if base and (found := _base_folder(base)) is not None:
        yield Found(MODEL, found, PurePath(base))


def _base_folder(base: str) -> Path | None:
    """Of a base model that is a folder, or that the hub's cache on this machine holds."""
    folder = Path(base).expanduser()
    if folder.is_dir():
        return folder
    from huggingface_hub import try_to_load_from_cache  # takes long to import, and few worlds need it

    with suppress(ValueError):  # no hub id
        found = try_to_load_from_cache(base, MODEL_CONFIG)
        return Path(found).parent if isinstance(found, str) else None
    return None


def _data(world: World) -> Iterator[Found]:
    for folder in (*map(world.lane, PRIORITIES), world.processing, world.recently_completed):
        for path in _below(folder):
            if path.is_file():
                yield Found(DATA, path, path)
    data = world.home / "data"
    for path in sorted(data.rglob("*.jsonl")):
        below = path.relative_to(data)
        if path.is_file() and below.parts[0] not in _NO_DATA and not _is_hidden(below):
            yield Found(DATA, path, PurePath("_".join(below.parts)))


def _configs(world: World) -> Iterator[Found]:
    own = [world.home / name for name in ("config.yaml", "hosts.yaml", "hosts.json", "strongholds.yaml")]
    for path in [*own, *_below(world.presets), *_below(world.skills)]:
        if path.is_file() and path.suffix in (".yaml", ".yml", ".json"):
            yield Found(CONFIG, path, path)


def _below(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if not path.name.startswith(".") and not path.is_symlink())


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def manifest_of(world: World, found: Found, asset_id: str = "") -> Manifest:
    """The digests of its files as they are now, under `asset_id` or else the id that its name gives it.

    Raises Refused for what is no asset, DamagedCheckpoint for what is no regular file, OSError.
    """
    cache, looks = record_of(world, found), _looks(found.path)
    with suppress(OSError, ValueError, KeyError, TypeError, Refused):
        known = json.loads(cache.read_bytes())
        if known["looks"] == looks:
            return _under(asset_id, manifests.parse(known["manifest"], source=str(cache)))
    try:
        made = manifests.named(manifests.of_path(found.asset_id, found.kind, found.path), found.name.name)
    except ValueError as error:
        raise Refused(f"{shown(str(found.path))} is no asset: {error}") from error
    if _looks(found.path) == looks:  # it is not being written
        cache.parent.mkdir(exist_ok=True)
        durable.write_json(cache, {"looks": looks, "manifest": asdict(made)})
    return _under(asset_id, made)


def _under(asset_id: str, manifest: Manifest) -> Manifest:
    return replace(manifest, asset_id=asset_id) if asset_id else manifest


def record_of(world: World, found: Found) -> Path:
    """Where the world keeps the asset's digests."""
    of_path = hashlib.sha256(os.fsencode(found.path)).hexdigest()[:8]
    return world.vault / "manifests" / f"{found.asset_id}-{of_path}.json"


def _looks(path: Path) -> str:
    """What changes whenever a file does: names, sizes, times."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    told = [(str(each), each.stat().st_size, each.stat().st_mtime_ns) for each in files if each.is_file()]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()
