"""How each kind of chronicle entry looks in the log: its icon and the colour of its metric."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from guild.evaluation.progression import ENOUGH_ACCURACY


@dataclass(frozen=True)
class Look:
    icon: str
    tone: str
    enough: float | None = None
    """Accuracy below which an entry is no success and reads as any other; so in `static/js/shared/looks.js`."""

    def tone_at(self, accuracy: float | None) -> str:
        return self.tone if self.enough is None or (accuracy or 0) >= self.enough else OTHER.tone


OTHER = Look("star-swirl", "plain")

LOOKS = {
    "battle_started": Look("sword-clash", "ember"),
    "battle_resumed": Look("crossed-swords", "ember"),
    "checkpoint_saved": Look("locked-chest", "gold"),
    "checkpoint_refused": Look("poison-bottle", "blood"),
    "validated": Look("checked-shield", "sky"),
    "answered": Look("quill-ink", "plain"),
    "battle_paused": Look("campfire", "sky"),
    "battle_stopped": Look("knight-banner", "plain"),
    "battle_completed": Look("trophy-cup", "moss"),
    "battle_failed": Look("cursed-star", "blood"),
    "quest_arrived": Look("scroll-unfurled", "plain"),
    "quest_refused": Look("skull-crossed-bones", "blood"),
    "quests_seen": Look("scroll-unfurled", "plain"),
    "source_inspected": Look("scroll-unfurled", "plain"),
    "quest_moved": Look("upgrade", "plain"),
    "quest_held": Look("camping-tent", "plain"),
    "quest_released": Look("knight-banner", "plain"),
    "quest_retried": Look("crossed-swords", "plain"),
    "quest_cancelled": Look("skull-crossed-bones", "plain"),
    "quest_recipe": Look("scroll-unfurled", "plain"),
    "quest_discarded": Look("skull-crossed-bones", "plain"),
    "battles_deleted": Look("skull-crossed-bones", "plain"),
    "battles_restored": Look("locked-chest", "moss"),
    "order_refused": Look("cursed-star", "blood"),
    "quest_completed": Look("two-coins", "gold"),
    "quest_outcome": Look("trophy-cup", "arcane"),
    "evaluated": Look("bullseye", "moss", enough=ENOUGH_ACCURACY),
    "skill_level_up": Look("spell-book", "arcane"),
    "skill_level_lost": Look("cursed-star", "ember"),
    "skill_level_regained": Look("spell-book", "moss"),
    "branch_changed": Look("crossed-swords", "arcane"),
    "hero_changed": Look("visored-helm", "gold"),
    "branches_mended": Look("poison-bottle", "blood"),
    "hero_level_up": Look("upgrade", "arcane"),
    "new_champion": Look("laurel-crown", "gold"),
    "rate_changed": Look("quill-ink", "arcane"),
    "fault": Look("cursed-star", "blood"),
    "checkpoint_failed": Look("locked-chest", "blood"),
    "convergence_warning": Look("quill-ink", "ember"),
    "trainer_died": Look("daemon-skull", "blood"),
    "trainer_hung": Look("daemon-skull", "blood"),
    "machine_lost": Look("daemon-skull", "blood"),
    "machine_missing": Look("campfire", "ember"),
    "machine_back": Look("campfire", "moss"),
    "quest_skipped": Look("knight-banner", "plain"),
    "nothing_skipped": Look("knight-banner", "plain"),
    "disk_trouble": Look("locked-chest", "blood"),
    "recipe_chosen": Look("scroll-unfurled", "plain"),
    "settings_changed": Look("crossed-swords", "plain"),
    "hero_refused": Look("locked-chest", "blood"),
    "disk_recovered": Look("locked-chest", "moss"),
    "database_rebuilt": Look("locked-chest", "ember"),
    "world_restored": Look("locked-chest", "gold"),
    "guild_trouble": Look("cursed-star", "gold"),
    "bad_line": Look("poison-bottle", "blood"),
    "service_restarted": Look("campfire", "ember"),
    "service_stuck": Look("daemon-skull", "blood"),
    "service_gave_up": Look("skull-crossed-bones", "blood"),
    "service_recovered": Look("campfire", "moss"),
    "weaver_mended": Look("campfire", "moss"),
    "achievement": Look("trophy-cup", "gold"),
    "finding": Look("watchtower", "ember"),
    "finding_gone": Look("watchtower", "moss"),
}


def looks_table() -> dict[str, list[Any]]:
    """For the browser: icon, tone and what is enough, by kind; under "" that of every other kind."""
    return {kind: [look.icon, look.tone, look.enough] for kind, look in {**LOOKS, "": OTHER}.items()}


@dataclass(frozen=True, kw_only=True)
class Entry:
    seq: int | str
    step: int | None
    message: str
    when: str
    icon: str
    tone: str
    branch: str = ""
    """On which its step lies; empty: the hero's first."""
    kind: str = ""
    moment: str = ""
    """ISO 8601, UTC."""
    topic: str = ""
    group: str = ""
    brief: str = ""
    hint: str = ""
    """The last four: see watchtower.telling."""

    @property
    def tooltip(self) -> str:
        return f"{self.hint} ({self.when})" if self.hint else self.when


# What the browser clones for an entry that comes over the socket.
BLANK = Entry(seq="", step=None, message="", when="", icon=OTHER.icon, tone=OTHER.tone)


def entry_of(event: dict[str, Any]) -> Entry:
    look = LOOKS.get(event["kind"], OTHER)
    moment = datetime.fromtimestamp(event["time"], UTC)
    data = event.get("data", {})
    return Entry(
        seq=event["seq"],
        step=event["step"],
        message=event["message"],
        when=moment.strftime("%Y-%m-%d %H:%M:%S UTC"),
        moment=moment.isoformat(timespec="seconds"),
        kind=event["kind"],
        icon=look.icon,
        tone=look.tone_at(data.get("accuracy")),
        branch=str(data.get("branch") or ""),
        **{key: event.get(key, "") for key in ("topic", "group", "brief", "hint")},
    )
