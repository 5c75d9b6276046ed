"""A hero's checkpoints, and the treasury's rules over them, for tests that need no trainer."""

from __future__ import annotations

import functools
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from realm.checkpoints import branches, sidecar
from realm.checkpoints.names import checkpoint_folders, step_of
from realm.config import RealmConfig
from realm.world import World
from tests.support.checkpoints import make_checkpoint
from vault import index
from vault.treasury import shelf
from vault.treasury.shelf import Applied


def fill(world: World) -> None:
    """Steps 1 to 7; 2 is the best by train loss, 3 by validation loss. Copied: to write them anew takes its time."""
    shutil.copytree(_seven().name, world.heroes, dirs_exist_ok=True)
    index.scan(world)


@functools.cache
def _seven() -> tempfile.TemporaryDirectory[str]:
    folder = tempfile.TemporaryDirectory(prefix="seven-checkpoints-")
    for step in range(1, 8):
        make_checkpoint(
            Path(folder.name), step, train_loss=0.5 if step == 2 else 1.0, val_loss=0.5 if step == 3 else 1.0
        )
    return folder


def branched(world: World) -> None:
    """Steps 1 to 7 on the first branch, trained yesterday; 4 to 6 on the second, which began at 3, trained today."""
    fill(world)
    hero = world.heroes / "DIO"
    branches.go_on_from(hero, sidecar.read(folder_of(world, 3)), moment=datetime(2026, 1, 2, tzinfo=UTC))
    for step in (4, 5, 6):
        make_checkpoint(
            world.heroes, step, branch="2", name=f"checkpoint-{step}-20260102-1230",
            created_at="2026-01-02T12:30:00+00:00", train_loss=1.0, val_loss=1.0,
        )  # fmt: skip
    index.scan(world)


def config(keep: int = 2, *, budget_bytes: int | None = None, **rules: Any) -> RealmConfig:
    """Settings by which the newest `keep` stay, however full the disk is."""
    budget = {} if budget_bytes is None else {"budget_gb": budget_bytes / 1e9}
    return RealmConfig(treasury={"keep_newest": keep, "floor_gb": 0.0} | budget | rules)


def apply(world: World, keep: int = 2, **rules: Any) -> Applied:
    return shelf.apply(world, config(keep, **rules), "DIO", by="arena")


def checkpoints(world: World) -> list[Path]:
    """Newest first."""
    return checkpoint_folders(world.heroes / "DIO")


def steps(world: World) -> list[int | None]:
    return [step_of(path.name) for path in checkpoints(world)]


def folder_of(world: World, step: int) -> Path:
    """The first one of that step."""
    return next(path for path in reversed(checkpoints(world)) if step_of(path.name) == step)


def name_of(world: World, step: int) -> str:
    return folder_of(world, step).name
