"""The hero's card: stats from the ledger, the evaluations, the quests and the steps trained so far."""

from __future__ import annotations

from dataclasses import dataclass, replace

from arena import steps
from guild.selectors import curriculum_accuracy
from realm.world import World
from realm.xp_and_gold import GOLD_PER_QUEST, XP_PER_LEVEL, level_at
from vault.selectors import newest_checkpoint
from watchtower import selectors, strength


@dataclass(frozen=True, kw_only=True)
class HeroCard:
    """What is not known yet is None, never 0."""

    name: str
    level: int
    xp: int
    """Training steps of the hero's whole life, those not yet saved in a checkpoint included."""
    next_level_xp: int
    attack: float | None
    """1 / mean train loss of the last steps."""
    attack_of: str | None
    """What `attack` is the inverse of, in words."""
    defense: float | None
    """1 / validation loss of the newest scored checkpoint, over what the hero was taught."""
    defense_of: str | None
    accuracy: float | None
    accuracy_of: str | None
    gold: int
    quests_completed: int

    def at_step(self, step: int | None) -> HeroCard:
        """The same hero after `step` training steps, if that is more."""
        if step is None or step <= self.xp:
            return self
        level = level_at(step)
        return replace(self, xp=step, level=level, next_level_xp=(level + 1) * XP_PER_LEVEL)


def hero_card(world: World, hero: str) -> HeroCard:
    """XP is the newest step: of the newest checkpoint, or of the battle that runs."""
    return saved_card(world, hero).at_step(_running_step(world, hero))


def living_steps(world: World, hero: str) -> int | None:
    """Training steps of the whole life, as `HeroCard.xp`, without the rest of the card; None before the first."""
    newest, running = newest_checkpoint(world, hero), _running_step(world, hero)
    known = [newest.step] if newest else []
    return max(known + ([running] if running is not None else []), default=None)


def _running_step(world: World, hero: str) -> int | None:
    facts = selectors.current_battle(hero)
    if facts is None or not facts.running:
        return None
    path = steps.path_of(world, facts.battle)
    count = steps.count(path)
    newest = steps.read(path, max(0, count - 1), count)
    return int(newest["step"][-1]) if len(newest) else None


def saved_card(world: World, hero: str) -> HeroCard:
    """The card as ledger, evaluations and quests tell it, without the steps since the newest checkpoint."""
    newest = newest_checkpoint(world, hero)
    attack = strength.attack(world, newest) if newest else None
    defense = strength.defense(world, hero)
    judged = curriculum_accuracy(hero)
    quests = selectors.quests_completed(hero)
    start = HeroCard(
        name=hero,
        level=0,
        xp=0,
        next_level_xp=XP_PER_LEVEL,
        attack=attack.inverse if attack else None,
        attack_of=attack.of if attack else None,
        defense=defense.inverse if defense else None,
        defense_of=defense.of if defense else None,
        accuracy=judged[0] if judged else None,
        accuracy_of=judged[1] if judged else None,
        gold=quests * GOLD_PER_QUEST,
        quests_completed=quests,
    )
    return start.at_step(newest.step if newest else None)
