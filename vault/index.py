"""Brings the index of checkpoints into line with the sidecars on disk, which are the truth."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError

from realm.checkpoints import sidecar
from realm.checkpoints.names import checkpoint_folders, step_of
from realm.checkpoints.sidecar import DamagedCheckpoint
from realm.moments import read_moment
from realm.world import World
from vault import chronicle, unread
from vault.assets.ids import checkpoint_id
from vault.errors import Refused
from vault.ledger import summary
from vault.models import Checkpoint, HistoryEntry
from vault.treasury import marks

FACTS = (
    "step", "created_at", "train_loss", "val_loss", "val_set", "val_set_sha256", "learning_rate", "epoch", "skill",
    "level", "quest", "battle", "parent", "branch", "adapter_base", "size_bytes", "weights_only", "protected",
    "sidecar_sha256",
)  # fmt: skip
"""What a row says after its sidecar, and after the hero's marks."""
_BATCH = 500
"""Rows written at once: whoever else writes waits no longer."""


@dataclass(frozen=True, kw_only=True)
class ScanReport:
    """What a scan found; checkpoints as `hero/name`."""

    listed: int
    added: tuple[str, ...]
    updated: tuple[str, ...]
    """The sidecar on disk is another one than was indexed, or an earlier release did not read all of it."""
    falsified: tuple[str, ...]
    """The row said something else than the sidecar that it was made from; it was put right."""
    removed: tuple[str, ...]
    damaged: tuple[str, ...]
    """One sentence each; a damaged checkpoint is not listed."""
    chronicle: tuple[str, ...] = ()
    """What is wrong with the vault's own chronicle: lines that cannot be read, gaps in their numbers."""


def scan(world: World) -> ScanReport:
    """Make the rows equal to the disk. Names, sizes and changed sidecars are read, weights are not.

    A checkpoint none of whose files changed since, and whose row says what it said then, costs its `stat`s alone.
    The rows of the vault's chronicle are made anew too, and so is the ledger's summary.
    """
    # Rows before folders: one that the daemon adds meanwhile is neither missed nor taken for gone.
    known = _known_rows()
    faults = chronicle.reindex(world).faults
    found = _Found()
    whole = _walk(world, known, found)
    while batch := list(islice(whole, _BATCH)):
        _take_in(batch, known, found)
    removed = sorted(key for key, row in known.items() if not row.seen)
    for start in range(0, len(removed), _BATCH):
        keys = removed[start : start + _BATCH]
        Checkpoint.objects.filter(pk__in=[known[key].pk for key in keys]).delete()
    summary.write_summary(world)
    return ScanReport(
        listed=found.listed,
        added=_spell(found.added),
        updated=_spell(found.updated),
        falsified=_spell(found.falsified),
        removed=_spell(removed),
        damaged=tuple(found.damaged),
        chronicle=faults,
    )


Key = tuple[str, str]
"""Hero and name."""
Facts = dict[str, Any]
"""A row's fields, hero and name left out, and its stamp."""


@dataclass(slots=True)
class _Known:
    """A row as it was; of a hundred thousand only digests are held."""

    pk: int
    sidecar_sha256: str
    facts_digest: bytes
    is_read: bool
    """Whether all that this release asks of a sidecar was."""
    stamp: str
    protected: bool
    seen: bool = False


@dataclass(slots=True)
class _Found:
    listed: int = 0
    added: list[Key] = field(default_factory=list)
    updated: list[Key] = field(default_factory=list)
    falsified: list[Key] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)


def _known_rows() -> dict[Key, _Known]:
    rows = Checkpoint.objects.order_by().values("pk", "hero", "name", "stamp", *FACTS).iterator(chunk_size=_BATCH)
    return {
        (row["hero"], row["name"]): _Known(
            row["pk"],
            row["sidecar_sha256"],
            _digest(row),
            is_read=row["adapter_base"] is not None,
            stamp=row["stamp"],
            protected=row["protected"],
        )
        for row in rows
    }


def _digest(facts: Mapping[str, Any]) -> bytes:
    return hashlib.blake2b(repr([facts[name] for name in FACTS]).encode(), digest_size=unread.DIGEST_BYTES).digest()


def _take_in(batch: Sequence[tuple[Key, Facts]], known: Mapping[Key, _Known], found: _Found) -> None:
    """Write the rows that are not as their sidecars say."""
    changed: dict[Key, Facts] = {}
    for key, facts in batch:
        found.listed += 1
        row = known.get(key)
        if row is None:
            kind: list[Key] | None = found.added
        elif row.sidecar_sha256 != facts["sidecar_sha256"] or not row.is_read:
            kind = found.updated
        elif _is_falsified(row, facts):
            kind = found.falsified
        else:
            # It says what it should; only that it need not be read again is new.
            kind = None
        if row:
            row.seen = True
        if kind is not None:
            kind.append(key)
        elif row and row.stamp == facts["stamp"]:
            continue
        changed[key] = facts
    verified = _verified_at(changed)
    rows = [
        Checkpoint(hero=key[0], name=key[1], verified_at=verified.get(key), **facts) for key, facts in changed.items()
    ]
    Checkpoint.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["hero", "name"], update_fields=[*FACTS, "stamp", "verified_at"]
    )  # fmt: skip


def _verified_at(changed: Mapping[Key, Facts]) -> dict[Key, datetime]:
    """When each was last read whole under the sidecar that it has, by the vault's chronicle."""
    keys = {checkpoint_id(*key): key for key in changed}
    found: dict[Key, datetime] = {}
    for entry in HistoryEntry.objects.filter(action="verify", asset_id__in=keys).order_by("seq"):
        key = keys[entry.asset_id]
        if entry.details.get("sidecar_sha256") != changed[key]["sidecar_sha256"]:
            continue
        if entry.details.get("damaged"):
            found.pop(key, None)
        else:
            found[key] = entry.time
    return found


def _is_falsified(row: _Known, facts: Facts) -> bool:
    return row.facts_digest != _digest(facts)


def index_checkpoint(world: World, hero: str, name: str) -> Checkpoint:
    """List one checkpoint, as after a save; raises DamagedCheckpoint if it is not whole."""
    row = _put(world, hero, name)
    summary.write_summary(world)
    return row


def index_checkpoints(world: World, hero: str, names: Iterable[str]) -> dict[str, DamagedCheckpoint]:
    """List them all; by name, what is damaged and therefore not listed."""
    damaged = {}
    for name in names:
        try:
            _put(world, hero, name)
        except DamagedCheckpoint as damage:
            damaged[name] = damage
    summary.write_summary(world)
    return damaged


def _put(world: World, hero: str, name: str) -> Checkpoint:
    facts = _facts(world.heroes / hero / name, _protected(world.heroes / hero)[0])
    row, _ = Checkpoint.objects.update_or_create(
        hero=hero, name=name, defaults=facts | {"verified_at": _verified_at({(hero, name): facts}).get((hero, name))}
    )
    return row


def _spell(keys: Sequence[Key]) -> tuple[str, ...]:
    return tuple(f"{hero}/{name}" for hero, name in keys)


def _walk(world: World, known: Mapping[Key, _Known], found: _Found) -> Iterator[tuple[Key, Facts]]:
    """The whole ones that have to be held against their rows; of damaged ones a sentence is kept."""
    damaged = found.damaged
    for hero_folder in sorted(path for path in world.heroes.iterdir() if path.is_dir()):
        protected, trouble = _protected(hero_folder)
        damaged += [trouble] if trouble else []
        for folder in checkpoint_folders(hero_folder):
            key = (hero_folder.name, folder.name)
            row = known.get(key)
            if row and _is_unchanged(row, folder, folder.name in protected):
                row.seen = True
                found.listed += 1
                continue
            try:
                yield key, _facts(folder, protected)
            except DamagedCheckpoint as error:
                if folder.is_dir():  # else it was deleted meanwhile
                    damaged.append(f"{hero_folder.name}/{error}")


def _is_unchanged(row: _Known, folder: Path, protected: bool) -> bool:
    """Whether files, marks and row are those of the scan that read it."""
    if not row.stamp or row.protected != protected:
        return False
    return row.stamp == unread.stamp_of(folder, row.facts_digest)


def _protected(hero_folder: Path) -> tuple[Collection[str], str]:
    """Names, and why they cannot be told: then nothing of the hero is deleted, whatever its rows say."""
    try:
        return marks.read(hero_folder), ""
    except Refused as error:
        return (), str(error)


def _facts(folder: Path, protected: Collection[str]) -> Facts:
    try:
        before = unread.stamp_of(folder, b"")
        read = sidecar.verify(folder, quick=True)
        sha256 = sidecar.digest(folder / sidecar.SIDECAR)
    except OSError as error:  # deleted while it was read
        raise DamagedCheckpoint(f"{folder.name}: cannot be read: {error.strerror}") from error
    if read.hero != folder.parent.name:
        raise DamagedCheckpoint(f"{folder.name}: its sidecar belongs to hero {read.hero}")
    if read.step != step_of(folder.name):
        raise DamagedCheckpoint(f"{folder.name}: its sidecar says step {read.step}")
    facts: Facts = {
        "step": read.step,
        "created_at": _moment(read.created_at, folder),
        "train_loss": read.train_loss,
        "val_loss": read.val_loss,
        "val_set": asdict(read.val_set) if read.val_set else None,
        "val_set_sha256": read.val_set.sha256 if read.val_set else "",
        "learning_rate": read.learning_rate,
        "epoch": read.epoch,
        "skill": read.skill or "",
        "level": read.level,
        "quest": read.quest,
        "battle": read.battle,
        "parent": read.parent or "",
        "branch": read.branch,
        "adapter_base": read.adapter_base or "",
        "size_bytes": sum(proof.size_bytes for proof in read.files.values()),
        "weights_only": read.thinned is not None,
        "protected": folder.name in protected,
        "sidecar_sha256": sha256,
    }
    _check_ranges(folder, facts)
    return facts | {"stamp": _stamp(folder, facts, before)}


def _stamp(folder: Path, facts: Facts, before: str) -> str:
    """Empty where a file changed while it was read: the next scan reads it once more."""
    return unread.stamp_of(folder, _digest(facts)) if unread.stamp_of(folder, b"") == before else ""


def _check_ranges(folder: Path, facts: Facts) -> None:
    """A sidecar may be well formed and still hold what no database takes, such as a level of -1."""
    try:
        Checkpoint(hero=folder.parent.name, name=folder.name, **facts).clean_fields()
    except ValidationError as error:
        key, (sentence, *_) = next(iter(error.message_dict.items()))
        raise DamagedCheckpoint(f"{folder.name}: its sidecar's {key} cannot be: {sentence}") from error


def _moment(text: str, folder: Path) -> datetime:
    try:
        return read_moment(text)
    except ValueError as error:
        raise DamagedCheckpoint(f"{folder.name}: its sidecar's created_at {error}") from error
