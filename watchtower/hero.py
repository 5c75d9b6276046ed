"""The hero's card: stats from the ledger, the evaluations, the quests and the steps trained so far."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from arena import steps
from guild.selectors import evaluation_before, newest_at_work
from realm.world import World
from realm.xp_and_gold import GOLD_PER_QUEST, XP_PER_LEVEL, level_at, title_at
from vault.selectors import newest_checkpoint
from watchtower import selectors, strength

A_DAY = timedelta(days=1)


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
    saved_step: int | None = None
    """Of the newest checkpoint."""
    title: str = title_at(0)
    level_xp: int = 0
    """Of `xp` what was earned in this level, 0 to 999."""
    attack_before: float | None = None
    """`attack` at the checkpoint of step `attack_since`; so with the others, each over the same rows as now."""
    attack_since: int | None = None
    defense_before: float | None = None
    defense_since: int | None = None
    accuracy_before: float | None = None
    accuracy_since: int | None = None
    gold_today: int = 0
    """Of `gold` what was earned in the last 24 hours."""

    def at_step(self, step: int | None) -> HeroCard:
        """The same hero after `step` training steps, if that is more."""
        if step is None or step <= self.xp:
            return self
        level = level_at(step)
        return replace(
            self, xp=step, level=level, next_level_xp=(level + 1) * XP_PER_LEVEL, level_xp=step % XP_PER_LEVEL,
            title=title_at(level),
        )  # fmt: skip

    def fighting(self, losses: NDArray[np.float32]) -> HeroCard:
        """The same hero in a battle with these losses so far: ATK moves with them, from the first step of the first."""
        known = self.attack is not None
        now = strength.live_attack(losses, enough=strength.ATTACK_STEPS if known else 1)
        if now is None:
            return self
        card = replace(self, attack=now.inverse, attack_of=now.of)
        if not known or self.attack_before is not None:  # at a checkpoint's own step it would be compared with itself
            return card
        return replace(card, attack_before=self.attack, attack_since=self.saved_step)


def hero_card(world: World, hero: str) -> HeroCard:
    """XP is the newest step: of the newest checkpoint, or of the battle that runs."""
    card = saved_card(world, hero)
    facts = selectors.current_battle(hero)
    if facts is None or not facts.running:
        return card
    path = steps.path_of(world, facts.battle)
    newest = steps.read(path, max(0, steps.count(path) - strength.ATTACK_STEPS), steps.count(path))
    return card.fighting(newest["loss"]).at_step(int(newest["step"][-1])) if len(newest) else card


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
    judged = newest_at_work(hero)
    quests = selectors.quests_completed(hero)
    attacked = strength.attack_before(world, newest) if newest else None
    defended, answered = strength.defense_before(world, hero), evaluation_before(judged) if judged else None
    start = HeroCard(
        name=hero,
        level=0,
        xp=0,
        next_level_xp=XP_PER_LEVEL,
        attack=attack.inverse if attack else None,
        attack_of=attack.of if attack else None,
        defense=defense.inverse if defense else None,
        defense_of=defense.of if defense else None,
        accuracy=judged.accuracy if judged else None,
        accuracy_of=f"{judged.skill} level {judged.level}" if judged else None,
        gold=quests * GOLD_PER_QUEST,
        quests_completed=quests,
        saved_step=newest.step if newest else None,
        attack_before=attacked[0].inverse if attacked else None,
        attack_since=attacked[1] if attacked else None,
        defense_before=defended[0].inverse if defended else None,
        defense_since=defended[1] if defended else None,
        accuracy_before=answered.accuracy if answered else None,
        accuracy_since=answered.step if answered else None,
        gold_today=selectors.quests_completed(hero, since=datetime.now(UTC) - A_DAY) * GOLD_PER_QUEST,
    )
    return start.at_step(newest.step if newest else None)
