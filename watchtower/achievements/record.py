"""What was unlocked: `achievements.json` in the hero's folder is the truth, entries of the chronicle tell of it."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from arena.models import ChronicleEntry
from realm import strict
from realm.disk import durable, locks
from realm.disk.regular_files import UnfitFile, read_regular
from realm.world import World
from watchtower.achievements.catalogue import BY_KEY, NUMBERS

log = logging.getLogger(__name__)

FILE = "achievements.json"
KIND = "achievement"
LOCK_FILE = "achievements.lock"
LARGEST_BYTES = 2**20


@dataclass(frozen=True, kw_only=True)
class Proof:
    """The moment that proves it, by which it can be looked up."""

    at: float
    """In seconds since 1970."""
    said: str
    """In words."""
    source: str = ""
    """Of the chronicle's entry, with `source_seq`; empty where it is none."""
    source_seq: int = 0
    battle: str = ""
    step: int | None = None
    checkpoint: str = ""
    sha256: str = ""
    """Of the checkpoint's sidecar, which holds the digest of every file."""


@dataclass(frozen=True, kw_only=True)
class Unlocked:
    key: str
    unlocked_at: float
    """When what it asks for happened, in seconds since 1970."""
    run: str
    """The battle; empty where it was none."""
    value: float
    proof: Proof


@dataclass(frozen=True, kw_only=True)
class _Record:
    unlocked: dict[str, Unlocked] = field(default_factory=dict)


def read(world: World, hero: str) -> dict[str, Unlocked]:
    """By key, in the order of unlocking; empty where there is no readable file: then the past is asked again."""
    try:
        value = json.loads(read_regular(world.heroes / hero / FILE, most_bytes=LARGEST_BYTES))
        found = strict.read(_Record, value, source=FILE).unlocked
    except FileNotFoundError:
        return {}
    except (UnfitFile, OSError, ValueError, RecursionError) as error:
        log.error("%s of %s cannot be read, and is made anew: %s", FILE, hero, error)
        return {}
    return dict(sorted(found.items(), key=lambda item: item[1].unlocked_at))


def unlock(world: World, hero: str, found: list[Unlocked]) -> list[Unlocked]:
    """Those of `found` that are new, written and told; what was unlocked before stays as it is.

    A hero without a folder has done nothing yet. Raises OSError, DatabaseError.
    """
    folder = world.heroes / hero
    if not found or not folder.is_dir():
        return []
    with locks.held(world.control / LOCK_FILE):
        known = read(world, hero)
        new = [one for one in found if one.key not in known]
        if new:
            _write(folder, known | {one.key: one for one in new})
    tell(hero, new)
    return new


def tell(hero: str, unlocked: list[Unlocked]) -> None:
    """An entry for each that has none yet, as after a lost database; its time is that of the moment itself."""
    source = f"{KIND}:{hero}"
    told = set(ChronicleEntry.objects.filter(source=source).values_list("source_seq", flat=True))
    for one in unlocked:
        rule = BY_KEY.get(one.key)
        if rule is None or NUMBERS[one.key] in told:
            continue
        ChronicleEntry.objects.get_or_create(
            source=source,
            source_seq=NUMBERS[one.key],
            defaults={
                "kind": KIND,
                "time": datetime.fromtimestamp(one.unlocked_at).astimezone(),
                "step": one.proof.step or 0,
                "message": f"Achievement: {rule.title}. {one.proof.said}"[:500],
                "data": _data(one, hero),
            },
        )


def seq_of(proof: Proof) -> int | None:
    """Id of the chronicle's entry that proves it; None where it is none, or is no longer kept."""
    if not proof.source:
        return None
    entry = ChronicleEntry.objects.filter(source=proof.source, source_seq=proof.source_seq).first()
    return entry.id if entry else None


def _data(one: Unlocked, hero: str) -> dict[str, Any]:
    return {"key": one.key, "hero": hero, "run": one.run, "value": one.value, "proof": asdict(one.proof)}


def _write(folder: Path, unlocked: dict[str, Unlocked]) -> None:
    durable.write_json(folder / FILE, asdict(_Record(unlocked=unlocked)))
