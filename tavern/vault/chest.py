"""All that is known of one checkpoint: what its sidecar says, where it comes from, who did what to it, its copies."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from realm.branch_rows import branches_of, on_line
from realm.checkpoints import branches, sidecar
from realm.checkpoints.sidecar import DamagedCheckpoint, Sidecar
from realm.world import World
from tavern.vault import shelf
from tavern.vault.chests import Chest, chests_of
from vault.assets.ids import checkpoint_id
from vault.models import Checkpoint, HistoryEntry, Location

MOST_RELATIVES = 12
MOST_HISTORY = 50


@dataclass(frozen=True, kw_only=True)
class File:
    path: str
    size_bytes: int
    sha256: str
    taken_out: bool
    """To make room: the checkpoint was saved with it."""


@dataclass(frozen=True, kw_only=True)
class Known:
    hero: str
    name: str
    asset_id: str
    said: Sidecar | None
    """None where it does not lie here, or is damaged."""
    damage: str
    chest: Chest | None
    """None where it is not listed."""
    files: list[File]
    ancestors: list[Checkpoint]
    """That the hero came by, the nearest first; at most MOST_RELATIVES."""
    parent_made_room: bool
    children: list[Checkpoint]
    begins: list[str]
    """Titles of the branches that begin at it."""
    locations: list[Location]
    history: list[HistoryEntry]

    @property
    def step(self) -> int:
        return int(self.name.split("-")[1])

    @property
    def key(self) -> str:
        return f"{self.hero}/{self.name}"

    @property
    def saved_at(self) -> datetime | None:
        return datetime.fromisoformat(self.said.created_at) if self.said else None

    @property
    def thinned_at(self) -> datetime | None:
        thinned = self.said.thinned if self.said else None
        return datetime.fromisoformat(thinned.at) if thinned else None

    @property
    def lies_here(self) -> bool:
        return self.said is not None or bool(self.damage)


def read(world: World, hero: str, name: str) -> Known | None:
    """None for one that neither lies here nor is known to lie anywhere."""
    folder = world.heroes / hero / name
    said, damage = _sidecar(world, hero, name) if folder.is_dir() else (None, "")
    asset_id = checkpoint_id(hero, name)
    locations = list(Location.objects.filter(asset__asset_id=asset_id))
    history = list(HistoryEntry.objects.filter(asset_id=asset_id)[:MOST_HISTORY])
    if not folder.is_dir() and not locations and not history:
        return None
    row = Checkpoint.objects.filter(hero=hero, name=name).first()
    bad = shelf.damaged(hero) if row else {}
    return Known(
        hero=hero,
        name=name,
        asset_id=asset_id,
        said=said,
        damage=damage or bad.get(name, ""),
        chest=chests_of(world, hero, [row], damage=bad)[0] if row and said else None,
        files=_files(said) if said else [],
        ancestors=_ancestors(row) if row else [],
        parent_made_room=said is not None and bool(said.parent) and not (folder.parent / str(said.parent)).is_dir(),
        children=list(Checkpoint.objects.filter(hero=hero, parent=name)[:MOST_RELATIVES]),
        begins=[branches.title(key) for key, each in branches_of(hero).branches.items() if each.start == name],
        locations=locations,
        history=history,
    )


def _sidecar(world: World, hero: str, name: str) -> tuple[Sidecar | None, str]:
    """And what is wrong, by names and sizes; bytes are read only by a verification."""
    try:
        return sidecar.verify(world.heroes / hero / name, quick=True), ""
    except DamagedCheckpoint as damage:
        return None, str(damage)
    except OSError as error:
        return None, f"{name}: cannot be read: {error.strerror}"


def _files(said: Sidecar) -> list[File]:
    gone = said.thinned.files if said.thinned else {}
    every = {**gone, **said.files}
    return [
        File(path=path, size_bytes=proof.size_bytes, sha256=proof.sha256, taken_out=path not in said.files)
        for path, proof in sorted(every.items())
    ]


def _ancestors(row: Checkpoint) -> list[Checkpoint]:
    line = Checkpoint.objects.filter(on_line(row.hero, row.branch, name="name"), hero=row.hero, step__lt=row.step)
    return list(line.order_by("-step", "-name")[:MOST_RELATIVES])
