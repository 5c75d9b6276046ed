"""Brings the index of checkpoints into line with the sidecars on disk, which are the truth."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from realm.checkpoints import sidecar
from realm.checkpoints.names import checkpoint_folders, step_of
from realm.checkpoints.sidecar import DamagedCheckpoint
from realm.world import World
from vault.errors import Refused
from vault.models import Checkpoint
from vault.treasury import marks


@dataclass(frozen=True, kw_only=True)
class ScanReport:
    """What a scan found; checkpoints as `hero/name`."""

    listed: int
    added: tuple[str, ...]
    updated: tuple[str, ...]
    """The sidecar on disk is another one than was indexed."""
    falsified: tuple[str, ...]
    """The row said something else than the sidecar that it was made from; it was put right."""
    removed: tuple[str, ...]
    damaged: tuple[str, ...]
    """One sentence each; a damaged checkpoint is not listed."""


def scan(world: World) -> ScanReport:
    """Make the rows equal to the disk. Names, sizes and sidecars are read, weights are not."""
    # Rows before folders: one that the daemon adds meanwhile is neither missed nor taken for gone.
    rows = {(row.hero, row.name): row for row in Checkpoint.objects.all()}
    whole, damaged = _walk(world)
    added, updated, falsified = [], [], []
    with transaction.atomic():
        for key, facts in whole.items():
            row = rows.get(key)
            if row is None:
                added.append(key)
            elif row.sidecar_sha256 != facts["sidecar_sha256"]:
                updated.append(key)
            elif _is_falsified(row, facts):
                falsified.append(key)
            else:
                continue
            _put(key, facts)
        removed = sorted(set(rows) - set(whole))
        Checkpoint.objects.filter(pk__in=[rows[key].pk for key in removed]).delete()
    return ScanReport(
        listed=len(whole),
        added=_spell(added),
        updated=_spell(updated),
        falsified=_spell(falsified),
        removed=_spell(removed),
        damaged=tuple(damaged),
    )


def _is_falsified(row: Checkpoint, facts: dict[str, Any]) -> bool:
    return any(getattr(row, name) != value for name, value in facts.items())


def index_checkpoint(world: World, hero: str, name: str) -> Checkpoint:
    """List one checkpoint, as after a save; raises DamagedCheckpoint if it is not whole."""
    return _put((hero, name), _facts(world.heroes / hero / name, _protected(world.heroes / hero)[0]))


def _put(key: tuple[str, str], facts: dict[str, Any]) -> Checkpoint:
    hero, name = key
    row, _ = Checkpoint.objects.update_or_create(hero=hero, name=name, defaults=facts)
    return row


def _spell(keys: list[tuple[str, str]]) -> tuple[str, ...]:
    return tuple(f"{hero}/{name}" for hero, name in keys)


def _walk(world: World) -> tuple[dict[tuple[str, str], dict[str, Any]], list[str]]:
    whole: dict[tuple[str, str], dict[str, Any]] = {}
    damaged: list[str] = []
    for hero_folder in sorted(path for path in world.heroes.iterdir() if path.is_dir()):
        protected, trouble = _protected(hero_folder)
        damaged += [trouble] if trouble else []
        for folder in checkpoint_folders(hero_folder):
            try:
                whole[hero_folder.name, folder.name] = _facts(folder, protected)
            except DamagedCheckpoint as error:
                damaged.append(f"{hero_folder.name}/{error}")
    return whole, damaged


def _protected(hero_folder: Path) -> tuple[Collection[str], str]:
    """Names, and why they cannot be told: then nothing of the hero is deleted, whatever its rows say."""
    try:
        return marks.read(hero_folder), ""
    except Refused as error:
        return (), str(error)


def _facts(folder: Path, protected: Collection[str]) -> dict[str, Any]:
    """The row's fields, hero and name left out."""
    try:
        read = sidecar.verify(folder, quick=True)
        sha256 = sidecar.digest(folder / sidecar.SIDECAR)
    except OSError as error:  # deleted while it was read
        raise DamagedCheckpoint(f"{folder.name}: cannot be read: {error.strerror}") from error
    if read.hero != folder.parent.name:
        raise DamagedCheckpoint(f"{folder.name}: its sidecar belongs to hero {read.hero}")
    if read.step != step_of(folder.name):
        raise DamagedCheckpoint(f"{folder.name}: its sidecar says step {read.step}")
    facts: dict[str, Any] = {
        "step": read.step,
        "created_at": _moment(read.created_at, folder),
        "train_loss": read.train_loss,
        "val_loss": read.val_loss,
        "val_set": asdict(read.val_set) if read.val_set else None,
        "learning_rate": read.learning_rate,
        "epoch": read.epoch,
        "skill": read.skill or "",
        "level": read.level,
        "quest": read.quest,
        "battle": read.battle,
        "parent": read.parent or "",
        "branch": read.branch,
        "protected": folder.name in protected,
        "weights_only": read.thinned is not None,
        "size_bytes": sum(proof.size_bytes for proof in read.files.values()),
        "sidecar_sha256": sha256,
    }
    _check_ranges(folder, facts)
    return facts


def _check_ranges(folder: Path, facts: dict[str, Any]) -> None:
    """A sidecar may be well formed and still hold what no database takes, such as a level of -1."""
    try:
        Checkpoint(hero=folder.parent.name, name=folder.name, **facts).clean_fields()
    except ValidationError as error:
        key, (sentence, *_) = next(iter(error.message_dict.items()))
        raise DamagedCheckpoint(f"{folder.name}: its sidecar's {key} cannot be: {sentence}") from error


def _moment(text: str, folder: Path) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise DamagedCheckpoint(f"{folder.name}: its sidecar's created_at {text!r} is no time") from error
    if timezone.is_naive(moment):
        raise DamagedCheckpoint(f"{folder.name}: its sidecar's created_at {text!r} has no offset")
    return moment
