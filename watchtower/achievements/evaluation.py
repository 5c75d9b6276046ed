"""Which achievements a hero has, and how far the others are; asked again whenever something was told."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from realm import config
from realm.world import World
from realm.xp_and_gold import XP_PER_LEVEL
from watchtower import selectors
from watchtower.achievements import of_growth, of_training, record
from watchtower.achievements.catalogue import ACHIEVEMENTS, BY_KEY, Achievement
from watchtower.achievements.past import Past, Reading
from watchtower.achievements.record import Proof, Unlocked
from watchtower.hero import living_steps

Measure = Callable[[Past], Reading]
EVERY_SECONDS = 10.0
MOST_SHARE = 0.01
"""Of a core, which a long past may take: then it is asked less often."""
LONGEST_SECONDS = 60.0
"""Between two askings all the same."""
NEAREST = 3


def _up_to(measure: Callable[[Past, float], Reading], key: str) -> Measure:
    goal = BY_KEY[key].goal
    return lambda past: measure(past, goal)


MEASURES: dict[str, Measure] = {
    "first_blood": of_training.first_blood,
    **{key: _up_to(of_training.level, key) for key in ("squire", "knight", "paladin", "legend")},
    "marathon": _up_to(of_training.marathon, "marathon"),
    "night_watch": of_training.night_watch,
    **{key: _up_to(of_growth.attack, key) for key in ("sharpened", "razor")},
    "bulwark": _up_to(of_growth.defense, "bulwark"),
    **{key: _up_to(of_growth.accuracy, key) for key in ("sharpshooter", "flawless_eval")},
    **{key: _up_to(of_growth.champions, key) for key in ("champion", "dynasty")},
    "hoarder": _up_to(of_growth.checkpoints, "hoarder"),
    "tidy_vault": _up_to(of_growth.deleted, "tidy_vault"),
    "exorcist": of_training.exorcist,
    "phoenix": of_training.phoenix,
    "patient": of_training.patient,
    "sprinter": of_training.sprinter,
    "rich": _up_to(of_training.gold, "rich"),
    "scholar": _up_to(of_growth.data_sets, "scholar"),
    "quartermaster": of_training.quartermaster,
    "early_bird": of_growth.scheduled,
    "tinkerer": _up_to(of_growth.rates, "tinkerer"),
    "minimalist": of_growth.small_adapter,
    "graduate": lambda past: past.count("skill_level_up", 1),
    "comeback": lambda past: past.count("skill_level_regained", 1),
    "centurion": _up_to(of_training.quests, "centurion"),
}
"""Of those that the past proves; the two others are known to the pages (`reached`)."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One achievement of a hero."""

    rule: Achievement
    unlocked: Unlocked | None
    value: float
    """How far it is; of an unlocked one what was reached."""

    @property
    def share(self) -> float:
        """0 to 1."""
        return 1.0 if self.unlocked else min(0.999, max(0.0, self.value / self.rule.goal))


def evaluate(world: World, hero: str) -> list[Unlocked]:
    """What is new, on disk and told when this returns. Raises OSError, DatabaseError."""
    known = record.read(world, hero)
    record.tell(hero, list(known.values()))
    past = Past(world, hero)
    readings = ((key, measure(past)) for key, measure in MEASURES.items() if key not in known)
    found = [_unlocked(key, reading.value, reading.proof) for key, reading in readings if reading.proof]
    return record.unlock(world, hero, found)


def reached(world: World, hero: str, key: str, *, value: float, proof: Proof) -> list[Unlocked]:
    """The same for one that the pages know of. Raises OSError, DatabaseError."""
    return record.unlock(world, hero, [_unlocked(key, value, proof)])


def standings(world: World, hero: str, *, counted: dict[str, float] | None = None) -> list[Standing]:
    """Of all achievements, as the catalogue has them; nothing is unlocked by looking.

    `counted` says how far those are that the pages count.
    """
    known, past = record.read(world, hero), Past(world, hero)
    return [_standing(rule, known.get(rule.key), past, counted or {}) for rule in ACHIEVEMENTS]


def nearest(found: list[Standing], *, most: int = NEAREST) -> list[Standing]:
    """The locked ones that lack least, the nearest first; secret ones stay secret."""
    locked = [one for one in found if not one.unlocked and not one.rule.secret]
    return sorted(locked, key=lambda one: -one.share)[:most]


class Evaluator:
    """Asks the past again where the chronicle or the hero has grown; the process that keeps the record calls it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._stamp: tuple[str, int, int] | None = None
        self._not_before = 0.0

    def evaluate(self) -> list[Unlocked]:
        """What is new of the hero in the settings.

        Raises OSError, DatabaseError, BadConfig: then the next call tries again.
        """
        began = time.monotonic()
        if began < self._not_before:
            return []
        hero = config.load(self._world).hero
        grown = -(-(living_steps(self._world, hero) or 0) // XP_PER_LEVEL)
        stamp = (hero, selectors.newest_seq(), grown)
        if stamp == self._stamp:
            return []
        spent = time.thread_time()
        new = evaluate(self._world, hero)
        self._stamp = stamp
        self._not_before = began + min(LONGEST_SECONDS, (time.thread_time() - spent) / MOST_SHARE)
        return new


def _standing(rule: Achievement, unlocked: Unlocked | None, past: Past, counted: dict[str, float]) -> Standing:
    if unlocked:
        return Standing(rule=rule, unlocked=unlocked, value=unlocked.value)
    measure = MEASURES.get(rule.key)
    value = measure(past).value if measure else counted.get(rule.key, 0.0)
    return Standing(rule=rule, unlocked=None, value=value)


def _unlocked(key: str, value: float, proof: Proof) -> Unlocked:
    return Unlocked(key=key, unlocked_at=proof.at, run=proof.battle, value=value, proof=proof)
