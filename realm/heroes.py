"""What a world remembers of each hero beside its checkpoints: `hero.json` in the hero's folder. Standard library only.

A hero without the file is as old as its checkpoints, and begins from the base model that the settings name.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from realm import strict
from realm.disk import durable
from realm.disk.regular_files import UnfitFile, read_regular
from realm.world import World

FILE = "hero.json"
LARGEST_BYTES = 64 * 1024
EMBEDDED = "embedded"
"""How people name the base model that the settings leave out."""


@dataclass(frozen=True, kw_only=True)
class Parent:
    """The checkpoint that a hero was branched off from."""

    hero: str
    checkpoint: str
    step: int
    sha256: str | None = None
    """Of the parent's weights, as its sidecar has it."""


@dataclass(frozen=True, kw_only=True)
class HeroRecord:
    base_model: str | None = None
    """As the settings write it; None: the embedded hero."""
    preset: str | None = "standard"
    created_at: str = ""
    """ISO 8601 with offset; empty where nobody noted it."""
    retired_at: str = ""
    """The same; empty for one that may fight."""
    parent: Parent | None = None


def folders(world: World) -> list[Path]:
    """Of all heroes, retired ones too, by name."""
    if not world.heroes.is_dir():
        return []
    return sorted(path for path in world.heroes.iterdir() if path.is_dir() and not path.name.startswith("."))


def is_here(world: World, hero: str) -> bool:
    """Of any text, a path too: names alone are looked among."""
    return any(path.name == hero for path in folders(world))


def read(world: World, hero: str) -> HeroRecord | None:
    """None where there is no record, or none that can be read."""
    path = world.heroes / hero / FILE
    try:
        return strict.read(HeroRecord, json.loads(read_regular(path, most_bytes=LARGEST_BYTES)), source=str(path))
    except (OSError, UnfitFile, ValueError, RecursionError):
        return None


def write(world: World, hero: str, record: HeroRecord) -> None:
    """Make or replace the record of a hero whose folder is there."""
    write_into(world.heroes / hero, record)


def write_into(folder: Path, record: HeroRecord) -> None:
    durable.write_json(folder / FILE, asdict(record))
