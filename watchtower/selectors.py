"""What the watchtower reads from the database, for one look or one page."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from arena.models import Battle, ChronicleEntry, Quest
from arena.protocol import EventKind
from realm.branch_rows import line_of
from realm.checkpoints.branches import Line
from watchtower import telling

LAST_EVENTS = 50


@dataclass(frozen=True, kw_only=True)
class BattleFacts:
    """A battle as its row tells it; the numbers of its steps come from `steps.bin`."""

    battle: str
    quest: str
    skill: str | None
    level: int | None
    state: str
    first_step: int | None
    total: int | None
    started_at: datetime
    ended_at: datetime | None
    until: int | None = None
    """The last step of it that the hero has come from; None: all."""

    @property
    def running(self) -> bool:
        return self.state == Battle.State.TRAINING


def current_battle(hero: str) -> BattleFacts | None:
    """The battle that trains now, else the last one of those that the hero has come from."""
    line = line_of(hero)
    battles = Battle.objects.filter(hero=hero).select_related("quest").order_by("-id")
    row = battles.filter(state=Battle.State.TRAINING).first() or battles.filter(_come_from(line)).first()
    return _facts(row, line) if row else None


def battle_facts(hero: str, battle: str) -> BattleFacts | None:
    """Of the battle of that id, whoever fought it; None where there is none."""
    row = Battle.objects.filter(battle_id=battle).select_related("quest").first()
    return _facts(row, line_of(hero)) if row else None


def _facts(row: Battle, line: Line) -> BattleFacts:
    return BattleFacts(
        battle=row.battle_id,
        quest=row.quest.name,
        skill=row.quest.skill or None,
        level=row.quest.level,
        state=row.state,
        first_step=row.first_step,
        total=row.total_steps,
        started_at=row.started_at,
        ended_at=row.ended_at,
        until=_until(line, row.branch),
    )


def _until(line: Line, branch: str) -> int | None:
    last = line.last_step(branch)
    return int(last) if last is not None and math.isfinite(last) else None


def _come_from(line: Line) -> Q:
    """Battles that began before the line leaves their branch."""
    chosen = Q()
    for segment in line.segments:
        part = Q(branch=segment.branch)
        chosen |= part & Q(first_step__lt=segment.until[0]) if segment.until else part
    return chosen


def battles_before(hero: str, facts: BattleFacts, *, most: int) -> list[tuple[str, str, int | None]]:
    """(battle, quest, last step or None) of the newest `most` battles that led to this one, the oldest first.

    The step is the last one that the hero has come from; None: all of the battle's.
    """
    line = line_of(hero)
    led_there = Battle.objects.filter(_come_from(line), hero=hero, started_at__lt=facts.started_at)
    before = led_there.exclude(battle_id=facts.battle).order_by("-started_at", "-id")
    rows = list(before.values_list("battle_id", "quest__name", "branch")[:most])
    return [(battle, quest, _until(line, branch)) for battle, quest, branch in reversed(rows)]


def newest_battles(hero: str, *, most: int) -> list[tuple[str, int | None]]:
    """(battle, last step or None) of those on the hero's line that began last, the newest first.

    The step is the last one that the hero has come from; None: all of the battle's.
    """
    line = line_of(hero)
    newest = Battle.objects.filter(_come_from(line), hero=hero).order_by("-started_at", "-id")
    return [(battle, _until(line, branch)) for battle, branch in newest.values_list("battle_id", "branch")[:most]]


def quests_completed(hero: str, *, since: datetime | None = None) -> int:
    own = Battle.objects.filter(hero=hero, quest__state=Quest.State.COMPLETED)
    if since is not None:
        own = own.filter(quest__ended_at__gte=since)
    return own.aggregate(done=Count("quest", distinct=True))["done"] or 0


def newest_seq() -> int:
    """Id of the newest chronicle entry; 0 while nothing has been told."""
    return ChronicleEntry.objects.order_by("-id").values_list("id", flat=True).first() or 0


def oldest_seq() -> int | None:
    return ChronicleEntry.objects.order_by("id").values_list("id", flat=True).first()


def events_between(after: int, until: int, *, most: int) -> list[dict[str, Any]]:
    """Messages of the entries with after < seq <= until, oldest first, at most `most` of the oldest."""
    return messages(ChronicleEntry.objects.filter(id__gt=after, id__lte=until).order_by("id"), most)


def last_events(until: int) -> list[dict[str, Any]]:
    """Messages of the last entries up to `until`, oldest first."""
    return messages(ChronicleEntry.objects.filter(id__lte=until).order_by("-id"), LAST_EVENTS)[::-1]


def events_of(battle: str) -> list[dict[str, Any]]:
    """Messages of the last entries of a battle, oldest first."""
    return messages(ChronicleEntry.objects.filter(source=battle).order_by("-id"), LAST_EVENTS)[::-1]


def messages(entries: QuerySet[ChronicleEntry], most: int) -> list[dict[str, Any]]:
    of_battle = Exists(Battle.objects.filter(battle_id=OuterRef("source")))
    rows = entries.annotate(of_battle=of_battle)[:most]
    return [
        {
            "v": 1,
            "type": "event",
            "seq": row.id,
            "kind": row.kind,
            "time": row.time.timestamp(),
            "step": row.step,
            "message": row.message,
            "run": row.source if row.of_battle else None,
            "data": row.data,
            **telling.told(row),
        }
        for row in rows
    ]


def forecast_of(battle: str) -> dict[str, Any] | None:
    """What the trainer estimated when the battle began or went on last; None where it did not say."""
    return _said_last(battle, (EventKind.BATTLE_STARTED, EventKind.BATTLE_RESUMED), "estimate")


def measured_of(battle: str) -> dict[str, Any] | None:
    """What the whole battle took, and how far off the estimate was; None before its end."""
    return _said_last(battle, (EventKind.BATTLE_COMPLETED,), "measured")


def _said_last(battle: str, kinds: tuple[EventKind, ...], key: str) -> dict[str, Any] | None:
    entry = ChronicleEntry.objects.filter(source=battle, kind__in=kinds).order_by("-id").first()
    said = entry.data.get(key) if entry else None
    return said if isinstance(said, dict) else None
