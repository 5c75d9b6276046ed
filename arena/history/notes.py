"""What the player writes of a battle: `notes.json` in its folder, and the same in its row, by which it is found."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from arena.models import Battle, BattleRecord
from realm import strict
from realm.disk import durable
from realm.disk.locks import held
from realm.disk.regular_files import UnfitFile, read_regular
from realm.world import World

FILE = "notes.json"
LONGEST_LABEL, LONGEST_NOTE, LONGEST_TAG, MOST_TAGS = 120, 4000, 30, 12
_LARGEST_BYTES = 64 * 1024
_LOCK = "notes.lock"
_TAG = re.compile(r"[^\W_][\w.+-]*")


class BadNotes(ValueError):
    """One sentence for whoever wrote them; it begins with the field that is meant."""


@dataclass(frozen=True, kw_only=True)
class Notes:
    label: str = ""
    """Shown in place of the quest's name; empty: that one is."""
    note: str = ""
    tags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.label) > LONGEST_LABEL:
            raise BadNotes(f"label: {len(self.label)} characters are more than {LONGEST_LABEL}")
        if any(not sign.isprintable() for sign in self.label):
            raise BadNotes("label: a label is one line of letters, digits and signs")
        if len(self.note) > LONGEST_NOTE:
            raise BadNotes(f"note: {len(self.note):,} characters are more than {LONGEST_NOTE:,}")
        if "\0" in self.note:
            raise BadNotes("note: a note is text")
        if len(self.tags) > MOST_TAGS:
            raise BadNotes(f"tags: {len(self.tags)} are more than {MOST_TAGS}")
        for tag in self.tags:
            if len(tag) > LONGEST_TAG or not _TAG.fullmatch(tag):
                allowed = f"letters, digits and . + - _, at most {LONGEST_TAG} signs"
                raise BadNotes(f"tags: {strict.shown(tag[:60])} is no tag: {allowed}")


NO_NOTES = Notes()


def read(world: World, battle_id: str) -> Notes:
    """Those of a battle; none where nothing was written, or it cannot be read."""
    try:
        return _read(world.battles / battle_id / FILE)
    except (OSError, UnfitFile, ValueError, RecursionError):
        return NO_NOTES


def _read(path: Path) -> Notes:
    value = json.loads(read_regular(path, most_bytes=_LARGEST_BYTES))
    return strict.read(Notes, value, source=str(path))


def change(
    world: World,
    battle: Battle,
    *,
    label: str | None = None,
    note: str | None = None,
    tags: Iterable[str] | None = None,
    add: Iterable[str] = (),
    remove: Iterable[str] = (),
) -> Notes:
    """Returns the notes as they are then; None leaves a part as it is. Raises BadNotes, OSError.

    Several may write at once: each reads what the other has written.
    """
    with held(world.control / _LOCK, seconds=10):
        old = read(world, battle.battle_id)
        wanted = old.tags if tags is None else tags
        gone = {tag.casefold() for tag in remove}
        new = Notes(
            label=old.label if label is None else label.strip(),
            note=old.note if note is None else note.replace("\r\n", "\n").strip(),
            tags=tuple(tag for tag in _once((*wanted, *add)) if tag.casefold() not in gone),
        )
        folder = world.battles / battle.battle_id
        folder.mkdir(exist_ok=True)
        durable.write_json(folder / FILE, asdict(new))
        index(battle, new)
    return new


def _once(tags: Iterable[str]) -> tuple[str, ...]:
    """`Good` and `good` are one tag, as it was written first."""
    found: dict[str, str] = {}
    for tag in tags:
        if tag:
            found.setdefault(tag.casefold(), tag)
    return tuple(found.values())


def split(text: str) -> tuple[str, ...]:
    """The tags of a field in which commas or blanks stand between them; a `#` before one is left out."""
    return tuple(tag.lstrip("#") for tag in re.split(r"[\s,]+", text) if tag.lstrip("#"))


def index(battle: Battle, notes: Notes) -> None:
    """Into the row, by which it is found."""
    BattleRecord.objects.update_or_create(
        battle=battle, defaults={"label": notes.label, "note": notes.note, "tags": as_text(notes.tags)}
    )


def as_text(tags: Iterable[str]) -> str:
    joined = " ".join(tags)
    return f" {joined} " if joined else ""


def record_of(battle: Battle) -> BattleRecord:
    """The row beside the battle's, or one that says nothing and is not saved."""
    found: Any = getattr(battle, "record", None)
    return found if isinstance(found, BattleRecord) else BattleRecord(battle=battle)


def of_record(record: BattleRecord) -> Notes:
    return Notes(label=record.label, note=record.note, tags=tuple(record.tags.split()))
