"""Achievements as tiles: what is reached with its proof, what is not with how far it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

from django.templatetags.static import static
from django.urls import reverse

from arena.models import Battle
from realm.checkpoints.names import step_of
from realm.world import CHECKOUT, World
from tavern import formatting
from tavern.achievements.counted import standings
from tavern.moments import in_log
from vault.models import Checkpoint
from watchtower.achievements.catalogue import ACHIEVEMENTS, BY_KEY
from watchtower.achievements.evaluation import Standing, nearest
from watchtower.achievements.record import Proof, read, seq_of

_SPRITE, _MEDALS = "vendor/game-icons/sprite.svg", "vendor/game-icons/medals.svg"
SECRET_ICON = "padlock"


@dataclass(frozen=True, kw_only=True)
class Tile:
    key: str
    title: str
    requirement: str
    glyph: str
    """Address of the picture."""
    share: float
    progress: str
    """`620 of 1,000 XP`; empty where it is all or nothing."""
    unlocked_at: datetime | None
    proof: Proof | None
    links: tuple[tuple[str, str], ...]
    """(words, address) of what the proof names and is still there."""

    @property
    def percent(self) -> str:
        """As an attribute of the drawn ring."""
        return f"{100 * self.share:.1f}"


@dataclass(frozen=True, kw_only=True)
class Hall:
    reached: tuple[Tile, ...]
    """The newest first."""
    nearest: tuple[Tile, ...]
    locked: tuple[Tile, ...]

    @property
    def total(self) -> int:
        return len(self.reached) + len(self.locked)


def read_hall(world: World, hero: str) -> Hall:
    """Raises DatabaseError."""
    found = standings(world, hero)
    reached = [one for one in found if one.unlocked]
    reached.sort(key=lambda one: -(one.unlocked.unlocked_at if one.unlocked else 0))
    return Hall(
        reached=tuple(tile_of(one, hero) for one in reached),
        nearest=tuple(tile_of(one, hero) for one in nearest(found)),
        locked=tuple(tile_of(one, hero) for one in found if not one.unlocked),
    )


def nearest_tiles(world: World, hero: str) -> tuple[Tile, ...]:
    """The locked ones that lack least. Raises DatabaseError."""
    return tuple(tile_of(one, hero) for one in nearest(standings(world, hero)))


def count_of(world: World, hero: str) -> tuple[int, int]:
    """How many of how many the hero has."""
    return len(read(world, hero).keys() & BY_KEY.keys()), len(ACHIEVEMENTS)


def tile_of(one: Standing, hero: str) -> Tile:
    rule, unlocked = one.rule, one.unlocked
    hidden = rule.secret and unlocked is None
    return Tile(
        key=rule.key,
        title="Secret" if hidden else rule.title,
        requirement="It is told once it is reached" if hidden else rule.requirement,
        glyph=_glyph(SECRET_ICON if hidden else rule.icon),
        share=one.share,
        progress="" if hidden else progress_of(one),
        unlocked_at=datetime.fromtimestamp(unlocked.unlocked_at, UTC) if unlocked else None,
        proof=unlocked.proof if unlocked else None,
        links=tuple(_links(unlocked.proof, hero)) if unlocked else (),
    )


def progress_of(one: Standing) -> str:
    rule = one.rule
    if rule.goal == 1 or not rule.unit:
        return ""
    value = f"{one.value:,.1f}".removesuffix(".0")
    return f"{value} of {formatting.whole(rule.goal)}{'' if rule.unit[0] == '%' else ' '}{rule.unit}"


def _links(proof: Proof, hero: str) -> list[tuple[str, str]]:
    found = []
    if proof.checkpoint and Checkpoint.objects.filter(hero=hero, name=proof.checkpoint).exists():
        found.append(
            (
                f"Checkpoint {step_of(proof.checkpoint) or proof.checkpoint}",
                reverse("tavern:vault_checkpoint", args=[hero, proof.checkpoint]),
            )
        )
    battle = Battle.objects.filter(battle_id=proof.battle).select_related("quest").first() if proof.battle else None
    if battle:
        found.append((battle.quest.name[:40], reverse("tavern:battle", args=[battle.battle_id])))
    if seq := seq_of(proof):
        found.append((f"Log entry {seq:,}", in_log(seq)))
    return found


def _glyph(icon: str) -> str:
    return f"{static(_MEDALS if icon in _of_medals() else _SPRITE)}#gi-{icon}"


@cache
def _of_medals() -> frozenset[str]:
    text = (CHECKOUT / "static" / _MEDALS).read_text(encoding="utf-8")
    return frozenset(part.split('"', 1)[0] for part in text.split('id="gi-')[1:])
