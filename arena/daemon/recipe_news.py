"""Which recipe a battle begins with and why, told where that is another than the hero trained by before."""

from __future__ import annotations

from typing import Any

from arena import chronicle
from arena.models import Battle, ChronicleEntry
from arena.profiles.resolving import Resolved

KIND = "recipe_chosen"


def tell(battle: Battle, resolved: Resolved) -> None:
    last = ChronicleEntry.objects.filter(kind=KIND, data__hero=battle.hero).order_by("-id").first()
    facts: dict[str, Any] = {"hero": battle.hero, "profile": resolved.profile, "reason": resolved.reason}
    if last is None and resolved.profile == "embedded" and resolved.recipe.mode == "full":
        return  # as every hero of the realm's own begins
    if last is None or any(last.data.get(name) != value for name, value in facts.items()):
        by = f" (profile {resolved.profile})" if resolved.profile else ""
        message = f"{battle.hero} trains {battle.quest.name} by {resolved.reason}{by}"
        chronicle.say(KIND, message, battle=battle.battle_id, quest=battle.quest.name, **facts)
