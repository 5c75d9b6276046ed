"""What stands at the foot of a curve: checkpoints, champions, levels won and lost, steps that went wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import Q

from arena.models import ChronicleEntry
from realm.checkpoints.names import step_of

MOST = 400
"""Of all battles of a curve together, the newest."""
SIGNS = {
    "checkpoint_saved": "checkpoint",
    "new_champion": "champion",
    "hero_level_up": "level",
    "skill_level_up": "level",
    "skill_level_regained": "level",
    "skill_level_lost": "lost",
    "fault": "fault",
}
"""The sign of each kind of entry. `static/js/shared/charts/moments.js` knows the same ones."""


def of_battles(battles: Sequence[str]) -> list[dict[str, Any]]:
    """`{step, sign, text, checkpoint}` of these battles in the order of their steps; `checkpoint` may be null."""
    told = ChronicleEntry.objects.filter(_about(battles), kind__in=SIGNS).order_by("-id")[:MOST]
    found = [_moment(entry.kind, entry.step, entry.message, entry.data) for entry in reversed(told)]
    return sorted(found, key=lambda moment: int(moment["step"]))


def _about(battles: Sequence[str]) -> Q:
    """What the trainer said, what the daemon concluded from it, and what hosts that were asked found out later."""
    saved = ChronicleEntry.objects.filter(source__in=battles, kind="checkpoint_saved")
    names = [data.get("name") for data in saved.order_by("-id").values_list("data", flat=True)[:MOST]]
    concluded = [f"{battle}:{kind}" for battle in battles for kind in SIGNS]
    return Q(source__in=[*battles, *concluded]) | Q(source__startswith="evaluation:", data__checkpoint__in=names)


def _moment(kind: str, step: int, message: str, data: dict[str, Any]) -> dict[str, Any]:
    name = data.get("name") or data.get("checkpoint")
    checkpoint = name if isinstance(name, str) and step_of(name) is not None else None
    return {"step": step, "sign": SIGNS[kind], "text": message, "checkpoint": checkpoint}
