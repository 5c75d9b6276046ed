"""One quest's own page: what the gatekeepers found, what may be mended, and what became of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from django.db.models import Q, QuerySet

from arena import chronicle
from arena import selectors as arena_selectors
from arena.gate import report as reports
from arena.gate.inspection import LEFT_OUT
from arena.gate.outcome import Outcome, read_outcome
from arena.gate.report import Report
from arena.models import Battle, ChronicleEntry, Quest
from arena.protocol import EventKind
from arena.reports.battle_recipe import BattleRecipe, battle_recipe
from arena.rows.parse import Refusal
from realm.branch_rows import branches_of
from realm.checkpoints import branches
from realm.world import World
from tavern import formatting
from tavern.log_looks import Entry, entry_of
from tavern.quests.cards import Card, card_of, orders_waiting
from tavern.quests.recipe import QuestRecipe, recipe_of
from vault.models import Checkpoint

MOST_ROWS = 200
"""Refused rows and warnings that the page lists; the report holds more."""
MOST_DRAWN = 6
MOST_RAW_BYTES = 2_000
MOST_MENDED_BYTES = 512 * 1024
MOST_ENTRIES = 60
MOST_CHECKPOINTS = 6
EARLIER = timedelta(minutes=1)
"""Entries of that name from before a quest arrived are of another one."""
TOO_LONG_LINE = "too-long-line"


@dataclass(frozen=True, kw_only=True)
class RefusedRow:
    line: int
    kind: str
    reason: str
    raw: str | None
    """Its text, or the beginning of it; None where it was not kept."""
    cut: bool = False


@dataclass(frozen=True, kw_only=True)
class Mending:
    """The broken rows as one text, to be corrected and sent as a quest of its own."""

    text: str
    wrong: list[Refusal]
    """What is wrong with each row of the text, in its order."""
    of: int
    """Broken rows of the quest."""
    passed_over: int
    """Copies and evaluated questions: nothing about them can be corrected."""

    @property
    def rows(self) -> int:
        return len(self.wrong)

    @property
    def whole(self) -> bool:
        return self.rows == self.of


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One bar of the histogram, in a picture 100 wide and 100 high."""

    x: float
    y: float
    width: float
    height: float
    low: int
    high: int
    count: int


@dataclass(frozen=True, kw_only=True)
class Fought:
    """A battle on this quest."""

    battle: Battle
    step: int | None
    certificate: list[tuple[str, str, str]]
    """(what, measured, allowed)."""
    holds: bool
    flagged: list[str]
    branch: str
    """Its title; empty while the hero has but one."""
    checkpoints: list[Checkpoint]
    """Its newest ones that lie here: the hero can go on from each."""
    recipe: BattleRecipe | None


@dataclass(frozen=True, kw_only=True)
class QuestPage:
    card: Card
    path: Path | None
    """None once its file is gone."""
    report: Report | None
    outcome: Outcome | None
    """None while its battle is not over, and of quests of the guild's own."""
    refused: list[RefusedRow]
    warnings: list[Refusal]
    mending: Mending | None
    histogram: list[Bar]
    battles: list[Fought]
    entries: list[Entry]
    has_quarantine: bool = False
    kinds: list[tuple[str, int]] = field(default_factory=list)
    warned_kinds: list[tuple[str, int]] = field(default_factory=list)
    recipe: QuestRecipe | None = None

    @property
    def kinds_said(self) -> str:
        """`3 leak, 2 duplicate`; no line breaks between a number and its kind."""
        return ", ".join(f"{count:,}\N{NO-BREAK SPACE}{kind}" for kind, count in self.kinds)

    @property
    def drawn(self) -> list[str]:
        """Ids of the battles whose curves are shown, the newest first."""
        return [fought.battle.battle_id for fought in self.battles if fought.step][:MOST_DRAWN]

    @property
    def lengths_said(self) -> str:
        """The histogram in words."""
        lengths = self.report.lengths if self.report else None
        if lengths is None:
            return ""
        return (
            f"Lengths of the taken rows in tokens: from {lengths.min:,} to {lengths.max:,}, "
            f"half of them up to {lengths.median:,}, 95 in 100 up to {lengths.p95:,}"
        )


def read_page(world: World, quest: Quest) -> QuestPage:
    path = world.queue / quest.file if quest.file else None
    report = reports.read_report(path) if path else None
    quarantine = reports.companion(path, reports.QUARANTINE) if path else None
    raws = list(_raw_rows(quarantine, report)) if quarantine and report else []
    return QuestPage(
        card=card_of(world, quest, asked=orders_waiting(world)),
        path=path if path and path.is_file() else None,
        report=report,
        outcome=read_outcome(path) if path else None,
        refused=_refused(report, raws) if report else [],
        warnings=list(report.warnings[:MOST_ROWS]) if report else [],
        mending=_mending(report, raws) if report and quarantine and quarantine.is_file() else None,
        histogram=histogram(report.lengths.histogram) if report and report.lengths else [],
        battles=[_fought(world, battle) for battle in quest.battles.order_by("-id")],
        entries=[entry_of(event) for event in _events(quest)],
        has_quarantine=bool(quarantine and quarantine.is_file()),
        kinds=_by_count(report.refused_by_kind) if report else [],
        warned_kinds=_by_count(report.warned_by_kind) if report else [],
        recipe=recipe_of(world, quest, path),
    )


def _by_count(kinds: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(kinds.items(), key=lambda pair: (-pair[1], pair[0]))


def _raw_rows(quarantine: Path, report: Report) -> Iterator[tuple[Refusal, bytes]]:
    """The named refused rows with their text, in the file's order.

    Empty where rows are missing in the quarantine that nothing tells apart: it has its limit.
    """
    kept = [refusal for refusal in report.refused if refusal.kind != TOO_LONG_LINE]
    if report.quarantined != report.refused_count - report.refused_by_kind.get(TOO_LONG_LINE, 0):
        return
    left = 4 * MOST_MENDED_BYTES
    try:
        with open(quarantine, "rb") as file:
            for refusal in kept:
                raw = file.readline()
                left -= len(raw)
                if left < 0 or not raw:
                    return
                yield refusal, raw.rstrip(b"\r\n")
    except OSError:
        return


def _refused(report: Report, raws: list[tuple[Refusal, bytes]]) -> list[RefusedRow]:
    texts = {refusal.line: raw for refusal, raw in raws}
    return [_refused_row(refusal, texts.get(refusal.line)) for refusal in islice(report.refused, MOST_ROWS)]


def _refused_row(refusal: Refusal, raw: bytes | None) -> RefusedRow:
    shown = None if raw is None else raw[:MOST_RAW_BYTES].decode("utf-8", "replace")
    cut = raw is not None and len(raw) > MOST_RAW_BYTES
    return RefusedRow(line=refusal.line, kind=refusal.kind, reason=refusal.reason, raw=shown, cut=cut)


def _mending(report: Report, raws: list[tuple[Refusal, bytes]]) -> Mending | None:
    """None where no row is broken; without rows where all of them are too large to be mended in a page."""
    passed_over = sum(count for kind, count in report.refused_by_kind.items() if kind in LEFT_OUT)
    broken = report.refused_count - passed_over
    if not broken:
        return None
    texts: list[str] = []
    wrong: list[Refusal] = []
    room = MOST_MENDED_BYTES
    for refusal, raw in raws:
        if refusal.kind in LEFT_OUT:
            continue
        room -= len(raw) + 1
        if room < 0:
            break
        texts.append(raw.decode("utf-8", "replace"))
        wrong.append(refusal)
    return Mending(text="\n".join(texts), wrong=wrong, of=broken, passed_over=passed_over)


def histogram(counted: tuple[tuple[int, ...], ...]) -> list[Bar]:
    """Bars side by side; a count above 0 is always to be seen."""
    most = max((count for *_, count in counted), default=0)
    if not most:
        return []
    width = 100 / len(counted)
    return [
        Bar(
            x=round(number * width + width * 0.06, 3),
            y=round(100 - _height(count, most), 3),
            width=round(width * 0.88, 3),
            height=round(_height(count, most), 3),
            low=low,
            high=high,
            count=count,
        )
        for number, (low, high, count) in enumerate(counted)
    ]


def _height(count: int, most: int) -> float:
    return max(1.5, 100 * count / most) if count else 0.0


def _fought(world: World, battle: Battle) -> Fought:
    said = ChronicleEntry.objects.filter(source=battle.battle_id)
    begun = said.filter(kind=EventKind.BATTLE_STARTED).order_by("-id").first()
    said_of_packing = begun.data.get("certificate") if begun else None
    certificate = said_of_packing if isinstance(said_of_packing, dict) else {}
    last = arena_selectors.last_step(world, battle)
    saved = Checkpoint.objects.filter(hero=battle.hero, battle=battle.battle_id)
    return Fought(
        battle=battle,
        step=last.quest_step if last else None,
        certificate=certificate_said(certificate),
        holds=bool(certificate.get("holds")),
        flagged=[name for name in flagged_files(battle) if (world.flagged_examples / name).is_file()],
        branch=branches.title(battle.branch) if branches_of(battle.hero).branches else "",
        checkpoints=list(saved[:MOST_CHECKPOINTS]),
        recipe=battle_recipe(world, battle),
    )


def flagged_files(battle: Battle) -> list[str]:
    """Files of examples that a fault of this battle named, by plain name."""
    faults = ChronicleEntry.objects.filter(source=battle.battle_id, data__has_key="flagged").order_by("id")
    names = [entry.data["flagged"] for entry in faults]
    return [name for name in names if isinstance(name, str) and name and Path(name).name == name]


def _events(quest: Quest) -> Iterator[dict[str, Any]]:
    battles = list(quest.battles.values_list("battle_id", flat=True))
    entries: QuerySet[ChronicleEntry] = ChronicleEntry.objects.filter(
        Q(source__in=battles) | Q(source=chronicle.DAEMON, data__quest=quest.name, time__gte=quest.arrived_at - EARLIER)
    ).exclude(kind__in=(EventKind.ANSWERED, EventKind.CHECKPOINT_SAVED, EventKind.VALIDATED))
    for entry in entries.order_by("-id")[:MOST_ENTRIES]:
        yield {"seq": entry.pk, "kind": entry.kind, "time": entry.time.timestamp(), "step": entry.step} | {
            "message": entry.message, "data": entry.data,
        }  # fmt: skip


def certificate_said(certificate: dict[str, Any]) -> list[tuple[str, str, str]]:
    """(what, measured, allowed) of a battle's packing certificate."""
    rows = (
        ("loss, packed against alone", "largest_difference", "tolerance"),
        ("gradient, packed against alone", "largest_gradient_difference", "tolerance"),
        ("poison: what leaks into a neighbour", "largest_leak", "leak_tolerance"),
    )
    return [
        (what, formatting.scientific(certificate[measured]), formatting.scientific(certificate.get(allowed)))
        for what, measured, allowed in rows
        if isinstance(certificate.get(measured), int | float)
    ]
