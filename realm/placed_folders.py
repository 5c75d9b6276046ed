"""Folders of a world that lie elsewhere, such as on a NAS: links, each with a note here and a mark there.

A link whose folder is not there, since nothing is mounted, leads nowhere: nothing is made in its place. The mark tells
this world's folder from another one under the same path. Standard library only, for the trainer uses it too.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from realm.world import World

NAMES = ("battles", "checkpoints")


class FolderGone(Exception):
    """One sentence for the player, with what to do."""


@dataclass(frozen=True, kw_only=True)
class Note:
    """What the world remembers of a folder of its own that lies elsewhere."""

    target: Path
    token: str
    """The mark beside the folder says the same."""


def folder_of(world: World, name: str) -> Path:
    """As it is called in the world."""
    return {"battles": world.battles, "checkpoints": world.heroes}[name]


def note_path(world: World, name: str) -> Path:
    return world.control / f"{name}-folder.json"


def mark_path(target: Path) -> Path:
    return target.with_name(f".realm-{target.name}.json")


def note_of(world: World, name: str) -> Note | None:
    """None of a folder that lies in the world. Raises FolderGone where the note cannot be read."""
    path = note_path(world, name)
    try:
        said = _read(path)
        return Note(target=Path(said["target"]), token=said["token"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FolderGone(f"{path} cannot be read ({error}): it says where {name} lie; nothing was changed") from None


def notes(world: World) -> dict[str, Note]:
    """Of all that lie elsewhere. Raises FolderGone."""
    found = {name: note_of(world, name) for name in NAMES}
    return {name: note for name, note in found.items() if note}


def check(world: World) -> None:
    """Raises FolderGone for the first folder that is not where it was put."""
    for name in NAMES:
        folder, note = folder_of(world, name), note_of(world, name)
        if note:
            _check(folder, name, note)
        elif folder.is_symlink() and not _is_there(folder):
            raise FolderGone(
                f"{folder} leads to {os.readlink(folder)}, which is not there: mount it, and start again; nothing was "
                "made in its place"
            )


def _check(folder: Path, name: str, note: Note) -> None:
    if not folder.is_symlink():
        raise FolderGone(
            f"{folder} should lead to {note.target} and does not: `ln -s {note.target} {folder}` where nothing lies "
            f"there; nothing was made in its place"
        )
    try:
        said: Mapping[str, object] = _read(mark_path(note.target))
    except (OSError, ValueError):
        raise FolderGone(
            f"the {name} of this world lie in {note.target}, which is not there: mount it, and start again; nothing "
            "was made in its place"
        ) from None
    if said.get("token") != note.token or not _is_there(folder):
        raise FolderGone(
            f"{note.target} is not the folder in which the {name} of this world lie: mount the right one, and start "
            "again; nothing was changed"
        )


def gone(world: World) -> str:
    """The folder that was there and is no longer, in words; one call to the other disk for each. Empty where none."""
    for folder in (folder_of(world, name) for name in NAMES):
        if folder.is_symlink() and not _is_there(folder):
            return f"{os.readlink(folder)}, to which {folder} leads, is no longer there: mount it again"
    return ""


def _is_there(folder: Path) -> bool:
    try:
        return folder.is_dir()
    except OSError:  # a server that went away, or forgot what it gave out
        return False


def _read(path: Path) -> dict[str, str]:
    value = json.loads(path.read_bytes())
    if not isinstance(value, dict):
        raise ValueError("a mapping is expected")
    return value


def within(world: World, path: Path) -> Path:
    """`path`, links resolved, as it is called in the world where a folder of the world's that lies elsewhere has it."""
    for name in NAMES:
        folder = folder_of(world, name)
        if folder.is_symlink() and path.is_relative_to(target := folder.resolve()):
            return folder / path.relative_to(target)
    return path
