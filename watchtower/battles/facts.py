"""One battle with all that is known of it: rows, levels, proofs, checkpoints, and what it came to in a sentence."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from arena.gate import report as reports
from arena.history import deleting, notes
from arena.history.notes import Notes
from arena.models import Battle
from arena.protocol import REHEARSAL_FILE, EventKind
from arena.queue import files as queue
from arena.reports.battle_recipe import order_of
from arena.statistics.source import BEGINNINGS, NoBattle, Source
from guild.models import Evaluation
from realm.world import World
from vault.models import Checkpoint
from watchtower.battles import deeds, efficiency, figures, verdict
from watchtower.battles.deeds import Deeds
from watchtower.battles.efficiency import Cost
from watchtower.battles.figures import Figures


@dataclass(frozen=True, kw_only=True)
class Data:
    """Rows of the quest; None where its report or its beginning does not say."""

    sha256: str
    rows: int
    taken: int
    refused: int
    held_out: int
    duplicates: int | None
    rehearsed: int | None
    tokens: int | None


@dataclass(frozen=True, kw_only=True)
class LevelChange:
    """What the hero answered of one level before the battle and at its last checkpoint that lies here."""

    level: str
    before: str | None
    """Right of all, as `24/25`; None where it was not asked."""
    after: str | None


@dataclass(frozen=True, kw_only=True)
class Proof:
    what: str
    said: str
    holds: bool | None
    """None: nobody knows."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    battle: Battle
    title: str
    notes: Notes
    deleted: bool
    restorable: bool
    figures: Figures | None
    deeds: Deeds
    levels: tuple[LevelChange, ...]
    data: Data
    began_from: str | None
    """Checkpoint; None: the base model, or it does not say."""
    base_model: str
    """Empty where its order cannot be read any more."""
    is_begun: bool
    """Whether it says how it began."""
    repeat_of: str
    cost: Cost | None
    proofs: tuple[Proof, ...]
    faults: tuple[str, ...]
    checkpoints: tuple[str, ...]
    """That lie here."""
    verdict: str
    source: Source | None

    @property
    def beginning(self) -> tuple[str, str] | None:
        """Whose weights it began from; None where nobody knows. Heroes may have checkpoints of one name."""
        if self.began_from:
            return self.battle.hero, self.began_from
        return ("", self.base_model) if self.base_model and self.is_begun else None

    @property
    def rows_trained(self) -> tuple[str, str] | None:
        """Digests of the quest's rows and of those that it rehearsed; None where nobody knows."""
        rehearsed = self.data.rehearsed
        if not self.data.sha256 or rehearsed is None or self.source is None:
            return None
        if not rehearsed:
            return self.data.sha256, ""
        try:
            with open(self.source.folder / REHEARSAL_FILE, "rb") as file:
                return self.data.sha256, hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            return None

    @property
    def shown(self) -> Figures | Unmeasured:
        """The figures as a page asks for them."""
        return self.figures or Unmeasured()

    @property
    def price(self) -> Cost | Unmeasured:
        """What a level cost, as a page asks for it."""
        return self.cost or Unmeasured()


class Unmeasured:
    """Stands in where nothing was measured: whatever is asked of it is None."""

    def __getattr__(self, name: str) -> None:
        return None


def title_of(battle: Battle) -> str:
    return notes.record_of(battle).label or battle.quest.name


def read(world: World, battle: Battle) -> Facts:
    """Never raises for what is missing: a deleted battle has its row, its order and its events."""
    source = _source(world, battle)
    of = figures.of_battle(world, battle)
    did = deeds.of_battles([battle.battle_id]).get(battle.battle_id, deeds.NONE)
    begun = source.newest(*BEGINNINGS) if source else None
    first = next((one for one in source.events if one.kind == EventKind.BATTLE_STARTED), None) if source else None
    said: dict[str, Any] = first.data if first else (begun.data if begun else {})
    order = order_of(world, battle)
    saved = list(
        Checkpoint.objects.filter(battle=battle.battle_id).order_by("step", "name").values_list("name", flat=True)
    )
    record = notes.record_of(battle)
    checkpoint = said.get("checkpoint")
    return Facts(
        battle=battle,
        title=title_of(battle),
        notes=notes.of_record(record),
        deleted=record.deleted_at is not None,
        restorable=record.deleted_at is not None and deleting.can_be_restored(world, battle),
        figures=of,
        deeds=did,
        levels=tuple(_levels(battle.hero, str(checkpoint or ""), saved[-1] if saved else "")),
        data=_data(world, battle, said),
        began_from=checkpoint if isinstance(checkpoint, str) else None,
        base_model=order.base_model if order else "",
        is_begun=first is not None,
        repeat_of=order.repeat_of if order else "",
        cost=efficiency.cost(battle.quest.name, [(battle, of, did)]) if of and of.steps else None,
        proofs=tuple(_proofs(source, said)),
        faults=tuple(_faults(source)),
        checkpoints=tuple(saved),
        verdict=verdict.of_one(battle, of, did),
        source=source,
    )


def _source(world: World, battle: Battle) -> Source | None:
    try:
        return Source.of(world, battle.battle_id)
    except NoBattle:
        return None


def _data(world: World, battle: Battle, begun: dict[str, Any]) -> Data:
    quest = battle.quest
    report = reports.read_report(queue.path_of(world, quest)) if quest.file else None
    duplicates = None
    if report is not None:
        duplicates = sum(count for kind, count in report.refused_by_kind.items() if "duplicate" in kind)
    return Data(
        sha256=quest.sha256,
        rows=quest.rows,
        taken=quest.taken,
        refused=max(0, quest.rows - quest.taken - quest.held_out),
        held_out=quest.held_out,
        duplicates=duplicates,
        rehearsed=_whole(begun.get("rehearsed")),
        tokens=quest.tokens,
    )


def _levels(hero: str, before: str, after: str) -> Iterator[LevelChange]:
    """Of every level that one of both was asked."""
    rows = Evaluation.objects.filter(hero=hero, checkpoint__in=(before, after)).order_by("skill", "level", "id")
    told = {(row.skill, row.level, row.checkpoint): f"{row.correct}/{row.total}" for row in rows}
    for skill, level in dict.fromkeys((skill, level) for skill, level, _ in told):
        yield LevelChange(
            level=f"{skill.upper()} {level}",
            before=told.get((skill, level, before)),
            after=told.get((skill, level, after)),
        )


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _proofs(source: Source | None, begun: dict[str, Any]) -> list[Proof]:
    certificate = begun.get("certificate")
    if isinstance(certificate, dict) and "holds" in certificate:
        holds = bool(certificate["holds"])
        said = "each row gives packed the loss and gradient that it gives alone" if holds else "it does not hold"
        packing = Proof(what="packing", said=said, holds=holds)
    else:
        packing = Proof(what="packing", said="its beginning says nothing of it", holds=None)
    return [packing, _resume(source)]


def _resume(source: Source | None) -> Proof:
    """A resume is only known to be exact where nothing that it depends on has changed."""
    resumed = [event for event in source.events if event.kind == EventKind.BATTLE_RESUMED] if source else []
    if not resumed:
        return Proof(what="resume", said="trained in one run: nothing was resumed", holds=True)
    times = f"resumed {len(resumed)} time{'s' if len(resumed) > 1 else ''}"
    if any(event.data.get("weights_only") is True for event in resumed):
        return Proof(what="resume", said=f"{times}, once with fresh moments: not bit for bit", holds=False)
    begun = source.newest(EventKind.BATTLE_STARTED) if source else None
    told = [begun.data if begun else {}, *(event.data for event in resumed)]
    if len({(one.get("device"), one.get("threads")) for one in told}) > 1:
        return Proof(what="resume", said=f"{times} on another device or with other threads", holds=False)
    return Proof(what="resume", said=f"{times} with the moments, on one device; nobody compared the bits", holds=None)


def _faults(source: Source | None) -> list[str]:
    kinds = (EventKind.FAULT, EventKind.CHECKPOINT_FAILED, EventKind.CHECKPOINT_REFUSED, EventKind.BATTLE_FAILED)
    return [f"step {event.step:,}: {event.message}" for event in source.events if event.kind in kinds] if source else []
