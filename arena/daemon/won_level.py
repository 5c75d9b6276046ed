"""When a forged quest has done its work: its level was won, and what is left of it would teach what is known."""

from __future__ import annotations

from arena.models import Battle
from arena.protocol import Event, EventKind
from guild.errors import GuildError
from guild.evaluation.progression import current_level
from guild.skills.registry import get_skill
from realm.quest_names import read_name

_CHANGES_LEVELS = (EventKind.BATTLE_STARTED, EventKind.BATTLE_RESUMED, EventKind.ANSWERED)


def is_over(battle: Battle, event: Event) -> bool:
    """Whether the battle of a forged quest may end, now that `event` is taken in: the hero works on a higher level."""
    forged = read_name(battle.quest.name)
    if forged is None or event.kind not in _CHANGES_LEVELS:
        return False
    try:
        return current_level(hero=battle.hero, skill=get_skill(forged.skill)) > forged.level
    except GuildError:  # the skill is gone or broken: its quest is fought to the end
        return False
