"""What can be told outside the page: names that a player understands, each for some kinds of chronicle entries."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Event:
    title: str
    """Of one of them."""
    plural: str
    kinds: tuple[str, ...]
    """Of chronicle entries."""
    by_default: bool = False
    """Whether a new destination gets it."""
    is_urgent: bool = False
    """It may break quiet hours and digests where the destination says so."""


EVENTS: dict[str, Event] = {
    "level_up": Event(
        title="level-up", plural="level-ups", kinds=("skill_level_up", "hero_level_up", "skill_level_regained"),
        by_default=True,
    ),
    "level_lost": Event(title="lost level", plural="lost levels", kinds=("skill_level_lost",), by_default=True),
    "new_champion": Event(title="new champion", plural="new champions", kinds=("new_champion",), by_default=True),
    "quest_completed": Event(
        title="completed quest", plural="completed quests", kinds=("quest_completed",), by_default=True
    ),
    "quest_failed": Event(title="refused quest", plural="refused quests", kinds=("quest_refused",), by_default=True),
    "battle_started": Event(
        title="battle begun", plural="battles begun", kinds=("battle_started", "battle_resumed")
    ),
    "battle_paused": Event(title="battle paused", plural="battles paused", kinds=("battle_paused",)),
    "battle_ended": Event(
        title="battle ended", plural="battles ended", kinds=("battle_completed", "battle_stopped")
    ),
    "battle_failed": Event(
        title="battle failed", plural="battles failed", kinds=("battle_failed",), by_default=True, is_urgent=True
    ),
    "fault": Event(
        title="fault", plural="faults",
        kinds=(
            "fault", "checkpoint_failed", "checkpoint_refused", "trainer_died", "trainer_hung", "hero_refused",
            "machine_lost",
        ),
        by_default=True, is_urgent=True,
    ),
    "convergence_warning": Event(
        title="convergence warning", plural="convergence warnings", kinds=("convergence_warning",)
    ),
    "checkpoint_saved": Event(title="saved checkpoint", plural="saved checkpoints", kinds=("checkpoint_saved",)),
    "disk_full": Event(
        title="disk trouble", plural="disk troubles", kinds=("disk_trouble",), by_default=True, is_urgent=True
    ),
    "service_restarted": Event(
        title="restarted service", plural="restarted services", kinds=("service_restarted", "service_stuck")
    ),
    "service_gave_up": Event(
        title="service that stays down", plural="services that stay down", kinds=("service_gave_up",),
        by_default=True, is_urgent=True,
    ),
    "recovered": Event(
        title="recovery", plural="recoveries",
        kinds=("disk_recovered", "service_recovered", "weaver_mended", "finding_gone"),
    ),
    "finding": Event(title="finding", plural="findings", kinds=("finding",), by_default=True),
    "world": Event(
        title="change of the world", plural="changes of the world", kinds=("database_rebuilt", "world_restored")
    ),
}  # fmt: skip
BY_DEFAULT = tuple(name for name, event in EVENTS.items() if event.by_default)
OF_KIND = {kind: name for name, event in EVENTS.items() for kind in event.kinds}
"""The name by the kind of a chronicle entry."""
