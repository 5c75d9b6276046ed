from __future__ import annotations

from pathlib import Path

import pytest

from realm.world import World
from tests.support.checkpoints import make_checkpoint
from vault.index import scan
from vault.strongholds.registry import StorageRegistry


@pytest.fixture
def nas(world: World, tmp_path: Path) -> Path:
    """A mounted folder that the world knows as `nas`, on another machine."""
    folder = tmp_path / "nas"
    folder.mkdir()
    StorageRegistry(world.home).register_stronghold(name="nas", stronghold_type="nas", path=folder)
    return folder


@pytest.fixture
def checkpoint(world: World) -> Path:
    folder = make_checkpoint(world.heroes, 100)
    scan(world)
    return folder
