"""Paths that a request names: places in this world, of which only some hold what the vault keeps."""

from __future__ import annotations

from pathlib import Path

from realm import strict
from realm.checkpoints.names import step_of
from realm.world import World
from vault.assets.ids import checkpoint_id
from vault.assets.manifest import is_safe_path
from vault.errors import NotFound, Refused
from vault.models import Location

_LOCAL = "local"


def in_world(world: World, text: str) -> Path:
    """A path, whole or below the world, of what may be an asset; nothing above it is a link out. Raises Refused."""
    relative = _relative(world, text)
    path = world.home / relative
    roots = (world.models, world.home / "data", world.home / "exports", world.vault / "fetched", world.queue)
    if not any(path == root or root in path.parents for root in (*roots, world.presets)):
        raise Refused(f"{strict.shown(text)} is not allowed; assets lie below {', '.join(root.name for root in roots)}")
    if not path.resolve().is_relative_to(world.home.resolve()):
        raise Refused(f"{strict.shown(text)} leads out of the world by a link")
    return path


def asset_at(world: World, text: str) -> str:
    """The id of the asset whose copy lies at a path of this world; no file is looked at. Raises Refused, NotFound."""
    relative = _relative(world, text)
    found = Location.objects.filter(stronghold=_LOCAL, path=relative).select_related("asset").first()
    if found is not None:
        return found.asset.asset_id
    path = world.home / relative
    if step_of(path.name) is not None:
        if path.parent.parent == world.heroes:
            return checkpoint_id(path.parent.name, path.name)
        if path.parent == world.current_model and world.current_model.is_symlink():
            return checkpoint_id(world.current_model.readlink().name, path.name)
    raise NotFound(f"the vault knows no asset at {strict.shown(text)}; name its asset_id, or register it first")


def _relative(world: World, text: str) -> str:
    relative = text.removeprefix(f"{world.home}/").rstrip("/")
    if not is_safe_path(relative):
        raise Refused(f"{strict.shown(text)} is not allowed; allowed is a path below {world.home}")
    return relative
