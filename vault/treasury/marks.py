"""What the player protects: `marks.json` in the hero's folder is the truth, the rows' `protected` an index of it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path

from realm import strict
from realm.checkpoints.names import step_of
from realm.disk import durable
from realm.disk.regular_files import UnfitFile, read_regular
from realm.world import World
from vault import chronicle
from vault.assets.ids import checkpoint_id
from vault.errors import NotFound, Refused
from vault.models import Checkpoint
from vault.treasury.lock import locked

FILE = "marks.json"
LARGEST_BYTES = 64 * 2**20
LONGEST_NOTE = 200


@dataclass(frozen=True, kw_only=True)
class Mark:
    at: str
    """ISO 8601 with offset."""
    by: str
    note: str = ""
    resume_point: bool = True
    """Whether its moments stay too, so that training goes on from it as it was."""


@dataclass(frozen=True, kw_only=True)
class _Marks:
    protected: dict[str, Mark] = field(default_factory=dict)
    """By name."""


def read(hero_folder: Path) -> dict[str, Mark]:
    """By name of the checkpoint. Raises Refused for a damaged file: then nobody knows what must not be deleted."""
    path = hero_folder / FILE
    try:
        value = json.loads(read_regular(path, most_bytes=LARGEST_BYTES))
        return strict.read(_Marks, value, source=FILE).protected
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (UnfitFile, OSError, ValueError, RecursionError) as error:
        raise Refused(
            f"{hero_folder.name}/{FILE} cannot be read ({error}), so that nothing of {hero_folder.name} is deleted: "
            "bring it back from a snapshot, or delete it and protect anew what shall stay"
        ) from error


def protect(world: World, hero: str, name: str, *, by: str, note: str = "", resume_point: bool = True) -> Mark:
    """The mark, on disk when this returns: neither a rule nor a person deletes the checkpoint from then on.

    `resume_point` off lets its moments make room. Raises NotFound, and Refused for a note that is too long.
    """
    if len(note) > LONGEST_NOTE or not note.isprintable():
        raise Refused(f"a note is a line of at most {LONGEST_NOTE} characters")
    folder = world.heroes / hero
    with locked(world):
        if step_of(name) is None or not (folder / name).is_dir():
            raise NotFound(f"{hero} has no checkpoint {strict.shown(name)} here")
        mark = Mark(
            at=datetime.now().astimezone().isoformat(timespec="seconds"), by=by, note=note, resume_point=resume_point
        )
        _write(folder, read(folder) | {name: mark})
        Checkpoint.objects.filter(hero=hero, name=name).update(protected=True)
    chronicle.record_done(world, "protect", by=by, asset_id=checkpoint_id(hero, name), note=note)
    return mark


def unprotect(world: World, hero: str, name: str, *, by: str) -> None:
    """Raises NotFound where it is not protected."""
    folder = world.heroes / hero
    with locked(world):
        marks = read(folder)
        if name not in marks:
            raise NotFound(f"{strict.shown(name)} of {hero} is not protected")
        _write(folder, {other: mark for other, mark in marks.items() if other != name})
        Checkpoint.objects.filter(hero=hero, name=name).update(protected=False)
    if step_of(name) is not None:
        chronicle.record_done(world, "unprotect", by=by, asset_id=checkpoint_id(hero, name))


def _write(hero_folder: Path, marks: dict[str, Mark]) -> None:
    durable.write_json(hero_folder / FILE, asdict(_Marks(protected=marks)))
