"""How entries of the chronicle are told together: by topic, by checkpoint, and floods of one kind as one.

Pages, the socket, the API and the command line show what stands here, so that all group alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import Q, QuerySet

from arena.models import ChronicleEntry

TOPICS: dict[str, tuple[str, ...]] = {
    "trouble": (
        "battle_failed", "fault", "checkpoint_failed", "checkpoint_refused", "quest_refused", "order_refused",
        "trainer_died", "trainer_hung", "disk_trouble", "hero_refused", "guild_trouble", "bad_line", "service_stuck",
        "service_gave_up", "service_restarted", "convergence_warning", "finding", "branches_mended",
        "skill_level_lost", "machine_lost", "machine_missing",
    ),
    "battles": (
        "battle_started", "battle_resumed", "battle_paused", "battle_stopped", "battle_completed", "rate_changed",
        "recipe_chosen", "quest_completed", "quest_outcome", "quest_skipped",
    ),
    "checkpoints": (
        "checkpoint_saved", "validated", "answered", "evaluated", "skill_level_up", "skill_level_regained",
        "new_champion", "hero_level_up", "branch_changed",
    ),
    "quests": (
        "quest_arrived", "quests_seen", "source_inspected", "quest_moved", "quest_held", "quest_released",
        "quest_retried", "quest_cancelled", "quest_recipe", "quest_discarded", "nothing_skipped",
    ),
}  # fmt: skip
OTHER_TOPIC = "realm"
"""Of every other kind."""
_TOPIC_OF = {kind: topic for topic, kinds in TOPICS.items() for kind in kinds}

OF_CHECKPOINT = frozenset((*TOPICS["checkpoints"], "skill_level_lost")) - {"branch_changed"}
FLOODS = frozenset((*TOPICS["quests"], "quest_refused", "order_refused"))
"""Kinds of which thousands may follow each other."""


def topic_of(kind: str) -> str:
    return _TOPIC_OF.get(kind, OTHER_TOPIC)


def group_of(kind: str, step: int, data: Mapping[str, Any]) -> str:
    """Entries with the same one are told as one; empty: it stands alone. That of a flood breaks with its row."""
    if kind in OF_CHECKPOINT and step:
        return f"checkpoint {data.get('branch') or ''} {step}"
    return kind if kind in FLOODS else ""


def brief(kind: str, data: Mapping[str, Any]) -> str:
    """What an entry adds to the line of its checkpoint; empty: nothing that another one does not say."""
    level = f"{str(data.get('skill', '')).upper()} {data.get('level')}"
    if kind == "evaluated" and "total" in data:
        return f"{level}: {data['correct']} of {data['total']} right"
    if kind == "validated" and data.get("val_loss") is not None:
        return f"val {data['val_loss']:.4g}"
    if kind == "skill_level_up":
        return f"{str(data.get('skill', '')).upper()} {(data.get('level') or 2) - 1} won"
    return {
        "skill_level_lost": f"{level} lost",
        "skill_level_regained": f"{level} regained",
        "new_champion": "new champion",
        "hero_level_up": f"level {data.get('level')}",
    }.get(kind, "")


def hint(kind: str, data: Mapping[str, Any]) -> str:
    """Figures behind an entry, for who looks closer."""
    if kind == "checkpoint_saved":
        return str(data.get("name", ""))
    proof = data.get("certificate")
    if not isinstance(proof, dict) or "largest_difference" not in proof:
        return ""
    return (
        f"packed rows give the loss that they give alone, within {proof['largest_difference']:.1e}; "
        f"leak {proof.get('largest_leak', 0.0):.1e}"
    )


def told(entry: ChronicleEntry) -> dict[str, str]:
    """What the entry's message to pages has beside its own words."""
    return {
        "topic": topic_of(entry.kind),
        "group": group_of(entry.kind, entry.step, entry.data),
        "brief": brief(entry.kind, entry.data),
        "hint": hint(entry.kind, entry.data),
    }


def find(*, topic: str = "", search: str = "", kind: str = "", before: int | None = None) -> QuerySet[ChronicleEntry]:
    """Entries, newest first; `before` is an id. An unknown topic finds nothing."""
    entries = ChronicleEntry.objects.order_by("-id")
    if topic == OTHER_TOPIC:
        entries = entries.exclude(kind__in=_TOPIC_OF)
    elif topic:
        entries = entries.filter(kind__in=TOPICS.get(topic, ()))
    if search:
        entries = entries.filter(Q(message__icontains=search) | Q(source__icontains=search))
    if kind:
        entries = entries.filter(kind=kind)
    return entries if before is None else entries.filter(id__lt=before)
