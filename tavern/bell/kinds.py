"""Which entries of the chronicle are notices, and in which group; `static/js/shared/toasts.js` has the same table."""

from __future__ import annotations

GROUPS = {
    "quests": (
        "quest_completed", "quest_held", "quest_released", "quest_retried", "quest_discarded", "quest_refused",
        "order_refused",
    ),
    "levels": ("hero_level_up", "skill_level_up"),
    "champions": ("new_champion", "achievement"),
    "faults": (
        "checkpoint_refused", "checkpoint_failed", "battle_failed", "fault", "disk_trouble", "trainer_died",
        "trainer_hung", "machine_lost",
    ),
    "services": (
        "service_restarted", "service_recovered", "service_stuck", "service_gave_up", "weaver_mended", "finding",
    ),
}  # fmt: skip
KINDS = tuple(kind for kinds in GROUPS.values() for kind in kinds)
URGENT = frozenset({*GROUPS["faults"], "quest_refused", "order_refused", "service_stuck", "service_gave_up"})
"""They stay until they are closed."""
