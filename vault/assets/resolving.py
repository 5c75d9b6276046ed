"""Whose asset an id names: whole, short, a checkpoint's canonical name, or its step alone."""

from __future__ import annotations

import difflib
from typing import Any

from realm.checkpoints.names import checkpoint_folders, step_of
from realm.checkpoints.sidecar import DamagedCheckpoint
from realm.strict import shown, whole_number
from realm.world import World
from vault import selectors
from vault.assets import rows
from vault.assets.ids import CHECKPOINT, is_asset_id, kind_of, parse_checkpoint_id, short_checkpoint_id
from vault.errors import NotFound
from vault.index import index_checkpoint
from vault.ledger import get_ledger
from vault.models import Asset, Checkpoint

MOST_NAMED = 5


def resolve(world: World, asset_id: str) -> Asset:
    """The asset; a short id means the active branch of the active hero, or the only checkpoint of that step.

    Raises NotFound naming what could be meant.
    """
    text = spelled_out(asset_id)
    if step_of(text) is not None:
        return _by_name(world, text)
    if not is_asset_id(text):
        raise NotFound(f"{shown(asset_id)} is no asset's id; ids are such as checkpoint_175000 and model_qwen3_0.6b")
    found = parse_checkpoint_id(text) if kind_of(text) == CHECKPOINT else None
    if found is None:
        return _known(text)
    if found.hero and found.name:
        listed = _listed(world, found.hero, found.name)
        return rows.asset_of_checkpoint(listed) if listed else _known(text)
    return _by_step(world, found.step)


def spelled_out(asset_id: str) -> str:
    """`checkpoint_175000` for `175000`; all else as it is."""
    text = asset_id.strip()
    step = whole_number(text)
    return text if step is None else short_checkpoint_id(step)


def names_asset(text: str) -> bool:
    """Whether `resolve` can take it for an asset, known or not."""
    return is_asset_id(spelled_out(text)) or step_of(text.strip()) is not None


def _known(asset_id: str) -> Asset:
    found = Asset.objects.filter(asset_id=asset_id).first()
    if found is None:
        raise NotFound(f"The vault knows no {asset_id}.{_likely(asset_id)}")
    return found


def _likely(asset_id: str) -> str:
    known = list(Asset.objects.filter(kind=kind_of(asset_id)).values_list("asset_id", flat=True)[:2000])
    close = difflib.get_close_matches(asset_id, known, n=MOST_NAMED)
    return f" Did you mean {', '.join(close)}?" if close else " `manage.py vault scan` looks for what is new."


def _by_step(world: World, step: int) -> Asset:
    on_line = selectors.checkpoint_at(world, get_ledger().hero, step)
    if on_line is not None:
        return rows.asset_of_checkpoint(on_line)
    return _only(world, f"of step {step}", {"step": step})


def _by_name(world: World, name: str) -> Asset:
    own = _listed(world, get_ledger().hero, name)
    return rows.asset_of_checkpoint(own) if own else _only(world, name, {"name": name})


def _only(world: World, what: str, wanted: dict[str, Any]) -> Asset:
    """The only checkpoint like that, wherever it lies."""
    _index_unlisted(world, **wanted)
    for row in Checkpoint.objects.filter(**wanted)[: MOST_NAMED + 1]:
        rows.asset_of_checkpoint(row)
    found = list(Asset.objects.filter(kind=CHECKPOINT, **wanted).order_by("asset_id")[: MOST_NAMED + 1])
    if not found:
        raise NotFound(f"The vault knows no checkpoint {what}. `manage.py vault scan` looks for what is new.")
    if len(found) > 1:
        named = ", ".join(asset.asset_id for asset in found[:MOST_NAMED])
        raise NotFound(f"There are several checkpoints {what}: {named}. Give the whole id of one.")
    return found[0]


def _listed(world: World, hero: str, name: str) -> Checkpoint | None:
    row = Checkpoint.objects.filter(hero=hero, name=name).first()
    return row or _index(world, hero, name)


def _index_unlisted(world: World, *, step: int | None = None, name: str | None = None) -> None:
    """Of those that lie on the disk, what no scan has met yet."""
    for folder in world.heroes.iterdir():
        if folder.is_dir():
            for found in checkpoint_folders(folder):
                if name == found.name or (step is not None and step_of(found.name) == step):
                    _index(world, folder.name, found.name)


def _index(world: World, hero: str, name: str) -> Checkpoint | None:
    try:
        return index_checkpoint(world, hero, name)
    except DamagedCheckpoint:
        return None
