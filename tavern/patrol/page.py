"""What the page of patrols shows: the last one's findings by check, what to do, and what the guardian did lately."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby

from realm.world import World
from sentinels import patrol_orders
from sentinels.guardian import events
from sentinels.inspector.finding import VERDICTS, Finding, worst
from sentinels.inspector.report import read_report
from sentinels.record import KINDS
from tavern.log_looks import LOOKS, OTHER

MOST_DEEDS = 20
TONES = {"ok": "moss", "warning": "gold", "trouble": "blood"}
_WORDS = {"ok": "well", "warning": "to be looked at", "trouble": "in trouble"}


@dataclass(frozen=True, kw_only=True)
class Words:
    """A piece of a sentence; commands are shown so that they can be copied."""

    text: str
    is_command: bool


@dataclass(frozen=True, kw_only=True)
class Card:
    finding: Finding
    remedy: tuple[Words, ...]

    @property
    def tone(self) -> str:
        return TONES[self.finding.verdict]

    @property
    def word(self) -> str:
        return _WORDS[self.finding.verdict]


@dataclass(frozen=True, kw_only=True)
class Group:
    """Of one check."""

    name: str
    cards: tuple[Card, ...]

    @property
    def tone(self) -> str:
        return TONES[worst(card.finding for card in self.cards)]


@dataclass(frozen=True, kw_only=True)
class Deed:
    """Something that the guardian did."""

    message: str
    when: datetime
    lines: tuple[str, ...]
    icon: str
    tone: str


@dataclass(frozen=True, kw_only=True)
class PatrolPage:
    ended_at: datetime | None
    tone: str
    headline: str
    unwell: tuple[Group, ...]
    well: tuple[Group, ...]
    under_way: bool


def read(world: World) -> PatrolPage:
    report = read_report(world)
    groups = tuple(_groups(report.found)) if report else ()
    return PatrolPage(
        ended_at=datetime.fromtimestamp(report.time, UTC) if report else None,
        tone=TONES[report.verdict] if report else "plain",
        headline=_headline(report.found) if report else "Nobody has looked yet",
        unwell=tuple(group for group in groups if group.tone != TONES["ok"]),
        well=tuple(group for group in groups if group.tone == TONES["ok"]),
        under_way=patrol_orders.is_under_way(world),
    )


def _headline(found: tuple[Finding, ...]) -> str:
    counts = {verdict: sum(finding.verdict == verdict for finding in found) for verdict in VERDICTS}
    said = [f"{counts[verdict]} {_WORDS[verdict]}" for verdict in ("trouble", "warning") if counts[verdict]]
    return ", ".join(said) or "All clear"


def _groups(found: tuple[Finding, ...]) -> Iterator[Group]:
    """In the order of looking, in each group the worst first."""
    for name, findings in groupby(found, key=lambda finding: finding.check):
        ordered = sorted(findings, key=lambda finding: -VERDICTS.index(finding.verdict))
        yield Group(name=name, cards=tuple(Card(finding=each, remedy=words(each.remedy)) for each in ordered))


def words(sentence: str) -> tuple[Words, ...]:
    """What stands between backticks are commands."""
    pieces = sentence.split("`")
    return tuple(Words(text=piece, is_command=bool(at % 2)) for at, piece in enumerate(pieces) if piece)


def deeds(world: World) -> list[Deed]:
    """The newest first."""
    try:
        found = events.read(world)[-MOST_DEEDS:]
    except OSError:
        return []
    return [_deed(event) for event in reversed(found)]


def _deed(event: events.GuardianEvent) -> Deed:
    look = LOOKS.get(KINDS[event.kind], OTHER)
    when = datetime.fromtimestamp(event.time, UTC)
    return Deed(message=event.message, when=when, lines=event.lines, icon=look.icon, tone=look.tone)
