"""Battles by what they are called, what stands in their notes, their state, skill and tag."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Q, QuerySet

from arena.models import Battle
from realm import strict

DELETED = "deleted"
STATES = (*Battle.State.values, DELETED)
MOST_WORDS = 8
_FIELDS = (
    "battle_id", "quest__name", "quest__skill", "hero", "state", "record__label", "record__note", "record__tags",
)  # fmt: skip


class NoSuchBattle(LookupError):
    """One sentence for whoever asked."""


@dataclass(frozen=True, kw_only=True)
class Search:
    text: str = ""
    """Words of which each must stand somewhere: in name, quest, hero, skill, state, label, note or tags."""
    state: str = ""
    """One of STATES; empty: all that are not deleted."""
    skill: str = ""
    tag: str = ""
    hero: str = ""

    def __post_init__(self) -> None:
        if self.state and self.state not in STATES:
            raise ValueError(f"state: {strict.shown(self.state[:40])} is none of {', '.join(STATES)}")


def battles(search: Search) -> QuerySet[Battle]:
    """Newest first, each with its quest and its record."""
    found = Battle.objects.select_related("quest", "record").order_by("-id")
    found = found.filter(record__deleted_at__isnull=search.state != DELETED)
    if search.state and search.state != DELETED:
        found = found.filter(state=search.state)
    if search.skill:
        found = found.filter(quest__skill=search.skill)
    if search.tag:
        found = found.filter(record__tags__icontains=f" {search.tag} ")
    if search.hero:
        found = found.filter(hero=search.hero)
    for word in search.text.replace("\0", "").split()[:MOST_WORDS]:
        anywhere = Q()
        for field in _FIELDS:
            anywhere |= Q(**{f"{field}__icontains": word})
        found = found.filter(anywhere)
    return found


def get(battle_id: str) -> Battle:
    """By its id, `newest`, or the name of a quest, of which the newest battle is meant. Raises NoSuchBattle."""
    rows = Battle.objects.select_related("quest", "record").order_by("-id")
    if battle_id == "newest":
        found = rows.first()
    else:
        name = battle_id.replace("\0", "")
        found = rows.filter(battle_id=name).first() or rows.filter(quest__name=name).first()
    if found is None:
        raise NoSuchBattle(f"there is no battle {strict.shown(battle_id[:80])}; `battle list` shows them")
    return found


def all_tags(most: int = 40) -> list[str]:
    """Every tag that some battle has, in order."""
    texts = Battle.objects.exclude(record__tags="").filter(record__deleted_at=None)
    found = {tag for text in texts.values_list("record__tags", flat=True) if text for tag in text.split()}
    return sorted(found, key=str.casefold)[:most]
