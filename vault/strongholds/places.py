"""Where assets lie below the root of a stronghold, and what there makes a copy exist. No Django.

    checkpoints/DIO/checkpoint-175000-20251127-1430/    until its .ledger.json is written there is nothing
    data/data_train_syllo_abc/0123456789ab/train_syllo_abc.jsonl    and train_syllo_abc.jsonl.manifest.json behind it

The version of what is no checkpoint stands in its path, so that a file that was changed overwrites no copy.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath

from realm.checkpoints.sidecar import LARGEST_BYTES, SIDECAR
from realm.disk import durable
from vault.assets import manifest as manifests
from vault.assets.ids import CHECKPOINT, checkpoint_id, kind_of, parse_checkpoint_id
from vault.assets.manifest import Manifest
from vault.errors import Damaged, Refused

SUFFIX = ".manifest.json"
LARGEST_RECORD = 4 * LARGEST_BYTES


@dataclass(frozen=True)
class Place:
    path: str
    """Of the folder, or of the one file."""
    is_file: bool
    record: str
    """The file that is written last."""

    def member(self, path: str) -> str:
        return self.path if self.is_file else f"{self.path}/{path}"

    @property
    def folder(self) -> str:
        return str(PurePosixPath(self.path).parent) if self.is_file else self.path


def place_of(manifest: Manifest) -> Place:
    """Raises Refused for a checkpoint whose id does not name its hero."""
    if manifest.kind == CHECKPOINT:
        found = parse_checkpoint_id(manifest.asset_id)
        if found is None or found.hero is None or found.name != manifest.name:
            raise Refused(f"{manifest.asset_id} does not name the hero of {manifest.name}")
        path = f"checkpoints/{found.hero}/{manifest.name}"
        return Place(path=path, is_file=False, record=f"{path}/{SIDECAR}")
    path = f"{manifest.kind}/{manifest.asset_id}/{manifest.sha256[:12]}/{manifest.name}"
    return Place(path=path, is_file=manifest.is_file, record=f"{path}{SUFFIX}")


def place_at(path: str, asset_id: str, *, is_file: bool = False) -> Place:
    """Of a copy that was found, wherever below the root it lies."""
    if kind_of(asset_id) == CHECKPOINT:
        return Place(path=path, is_file=False, record=f"{path}/{SIDECAR}")
    return Place(path=path, is_file=is_file, record=f"{path}{SUFFIX}")


def encode(manifest: Manifest) -> bytes:
    """The record of an asset that is no checkpoint."""
    return durable.encode_json(asdict(manifest))


def decode(path: str, data: bytes) -> Manifest:
    """What the record of the copy at `path` says. Raises Damaged."""
    try:
        value = json.loads(data)
        return manifests.parse(value, source=f"{path}{SUFFIX}")
    except (ValueError, RecursionError, Refused) as error:
        raise Damaged(f"{path}{SUFFIX} is damaged: {error}") from error


def checkpoint_id_at(path: str, sidecar_data: bytes) -> str:
    """The whole id of the checkpoint that lies at `path`, whose folder need not name its hero. Raises Damaged."""
    name = PurePosixPath(path).name
    try:
        hero = str(json.loads(sidecar_data)["hero"])
        asset_id = checkpoint_id(hero, name)
        if parse_checkpoint_id(asset_id) is None:
            raise ValueError(f"{hero!r} is no hero's name")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Damaged(f"{path}: {SIDECAR} is damaged: {error}") from error
    return asset_id
