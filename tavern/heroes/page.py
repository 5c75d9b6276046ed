"""What the page of the heroes shows: cards, matches, the family."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from arena import status as arena_status
from arena.roster import listing
from arena.roster.listing import Hero
from guild.models import Run
from guild.work import matches, runs, trials
from guild.work.matches import Score
from realm.strict import BadConfig
from realm.world import World
from realm.xp_and_gold import XP_PER_LEVEL
from watchtower.hero import HeroCard, hero_card, saved_card

MOST_MATCHES = 6
_WORDS = {"training": "in battle", "preparing": "prepares", "paused": "rests", "resting": "rests", "idle": "asleep"}


@dataclass(frozen=True, kw_only=True)
class Card:
    hero: Hero
    stats: HeroCard
    state: str
    """Of the arena for who fights; else `idle`, or `retired`."""
    word: str

    @property
    def fraction(self) -> float:
        return self.stats.level_xp / XP_PER_LEVEL

    @property
    def dash(self) -> str:
        return f"{self.fraction * 100:.2f}"

    @property
    def is_ready(self) -> bool:
        """Whether it may be switched to."""
        return not (self.hero.active or self.hero.retired_at or self.hero.trouble)


@dataclass(frozen=True, kw_only=True)
class Match:
    run: Run
    score: Score | None

    @property
    def is_busy(self) -> bool:
        return not self.run.is_over


@dataclass(frozen=True, kw_only=True)
class Kin:
    hero: Hero
    depth: int


def cards(world: World) -> list[Card]:
    arena = arena_status.read_status(world)
    return [_card(world, hero, arena.state if arena.alive else "offline") for hero in listing.list_heroes(world)]


def _card(world: World, hero: Hero, arena_state: str) -> Card:
    state = arena_state if hero.active else "retired" if hero.retired_at else "idle"
    word = "retired" if hero.retired_at else _WORDS.get(state, "asleep") if hero.active else "waits in the hall"
    stats = hero_card(world, hero.name) if hero.active else saved_card(world, hero.name)
    return Card(hero=hero, stats=stats, state=state, word=word)


def recent_matches() -> list[Match]:
    return [Match(run=run, score=_score(run)) for run in matches.recent(MOST_MATCHES)]


def _score(run: Run) -> Score | None:
    try:
        return matches.score(trials.read_result(runs.results(run)))
    except BadConfig:
        return None


def family(found: list[Card]) -> list[Kin]:
    """Parents before their children; heroes of other families stand at the edge."""
    by_name = {card.hero.name: card.hero for card in found}

    def below(hero: Hero, depth: int, seen: frozenset[str]) -> Iterator[Kin]:
        yield Kin(hero=hero, depth=min(depth, 4))
        for name in hero.branched:
            if name not in seen:
                yield from below(by_name[name], depth + 1, seen | {name})

    roots = [hero for hero in by_name.values() if hero.parent is None or hero.parent.hero not in by_name]
    return [kin for root in roots for kin in below(root, 0, frozenset({root.name}))]
