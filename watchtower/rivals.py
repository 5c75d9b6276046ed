"""Battles to draw beside the one of now: the newest ones of a hero, and the one that its champion comes from."""

from __future__ import annotations

from dataclasses import dataclass

from arena.models import Battle
from realm.heroes import Parent
from vault.models import Checkpoint

MOST = 30


@dataclass(frozen=True, kw_only=True)
class Rival:
    battle: str
    label: str
    is_champion: bool = False
    """Drawn from the start, as a ghost."""


def rivals(hero: str, *, now: str | None, champion: str | None, parent: Parent | None = None) -> list[Rival]:
    """First the battle that the checkpoint `champion` comes from, then the newest ones but `now`."""
    battles = Battle.objects.filter(hero=hero).exclude(battle_id=now or "").select_related("quest").order_by("-id")
    newest = [Rival(battle=one.battle_id, label=one.quest.name) for one in battles[:MOST]]
    found = ghost(hero, now=now, champion=champion, parent=parent)
    return [*([found] if found else ()), *newest]


def ghost(hero: str, *, now: str | None, champion: str | None, parent: Parent | None) -> Rival | None:
    """The battle of the champion; where that is `now`, or unknown, that of what the hero branched off from."""
    if champion and (saved := _saved(hero, champion)) and saved.battle != now:
        return Rival(battle=saved.battle, label=f"champion {saved.step}", is_champion=True)
    if parent and (saved := _saved(parent.hero, parent.checkpoint)):
        return Rival(battle=saved.battle, label=f"parent {parent.hero} {saved.step}", is_champion=True)
    return None


def _saved(hero: str, name: str) -> Checkpoint | None:
    return Checkpoint.objects.filter(hero=hero, name=name).exclude(battle="").order_by("-id").first()
