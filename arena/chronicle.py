"""The chronicle: what is worth telling, as rows with rising ids that every browser follows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.db.models import Max

from arena.models import Battle, ChronicleEntry
from arena.protocol import Event

DAEMON = "arena"
HERO_CHANGED = "hero_changed"
"""Told when another hero fights from then on, who is `data.hero`."""


def record_event(battle_id: str, event: Event) -> None:
    """Take in one event of a trainer; reading it again changes nothing."""
    ChronicleEntry.objects.get_or_create(
        source=battle_id,
        source_seq=event.seq,
        defaults={
            "kind": event.kind,
            "time": datetime.fromtimestamp(event.time, UTC),
            "step": event.step,
            "message": event.message[:500],
            "data": event.data | _place(battle_id),
        },
    )


def follow_up(battle_id: str, event: Event, kind: str, message: str, **data: Any) -> None:
    """What the daemon concludes from a trainer's event; said once however often the event is read."""
    ChronicleEntry.objects.get_or_create(
        source=f"{battle_id}:{kind}",
        source_seq=event.seq,
        defaults={
            "kind": kind,
            "time": datetime.now(UTC),
            "step": event.step,
            "message": message[:500],
            "data": data | _place(battle_id),
        },
    )


def _place(battle_id: str) -> dict[str, str]:
    """The battle, and its branch unless it is the hero's first: steps alone do not tell two branches apart."""
    branch = Battle.objects.filter(battle_id=battle_id).values_list("branch", flat=True).first()
    return {"battle": battle_id} | ({"branch": branch} if branch else {})


def say(kind: str, message: str, *, step: int = 0, **data: Any) -> None:
    """What the daemon says of itself. Only the daemon writes under this source, so its numbers cannot clash."""
    last = ChronicleEntry.objects.filter(source=DAEMON).aggregate(last=Max("source_seq"))["last"] or 0
    ChronicleEntry.objects.create(
        source=DAEMON,
        source_seq=last + 1,
        kind=kind,
        time=datetime.now(UTC),
        step=step,
        message=message[:500],
        data=data,
    )
