"""All that is known of one checkpoint: its entry, where it comes from, what it answered, where its copies lie."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from guild.champion import crown
from guild.models import Evaluation
from realm.checkpoints import sidecar
from realm.checkpoints.sidecar import DamagedCheckpoint
from realm.world import World
from vault.assets.ids import checkpoint_id
from vault.errors import Damaged
from vault.ledger.ancestry import Ancestry, ancestry
from vault.ledger.entries import LedgerEntry, record
from vault.models import Location


@dataclass(frozen=True, kw_only=True)
class Answered:
    skill: str
    level: int
    correct: int
    total: int


@dataclass(frozen=True, kw_only=True)
class Copy:
    stronghold: str
    """`local` is this world."""
    path: str
    state: str
    verified_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Description:
    entry: LedgerEntry
    champion: bool
    """Whether it is the champion of a branch."""
    mode: str
    base_model: str
    files: int
    lineage: Ancestry
    evaluations: tuple[Answered, ...]
    copies: tuple[Copy, ...]
    """As they were seen last."""

    def record(self) -> dict[str, Any]:
        """The entry's own record, and the rest beside it."""
        rest = {name: value for name, value in asdict(self).items() if name != "entry"}
        return record(self.entry) | rest


def describe(world: World, entry: LedgerEntry) -> Description:
    """Raises Damaged where its sidecar cannot be read."""
    try:
        saved = sidecar.read(entry.path)
    except DamagedCheckpoint as damage:
        raise Damaged(str(damage)) from damage
    answers = Evaluation.objects.filter(hero=entry.hero, checkpoint=entry.canonical_name).order_by("skill", "level")
    copies = Location.objects.filter(asset__asset_id=checkpoint_id(entry.hero, entry.canonical_name))
    return Description(
        entry=entry,
        champion=entry.canonical_name in crown.holders(world, entry.hero),
        mode=saved.mode,
        base_model=saved.base_model,
        files=len(saved.files),
        lineage=ancestry(world, saved),
        evaluations=tuple(
            Answered(skill=row.skill, level=row.level, correct=row.correct, total=row.total) for row in answers
        ),
        copies=tuple(
            Copy(stronghold=row.stronghold, path=row.path, state=row.state, verified_at=row.verified_at)
            for row in copies
        ),
    )
