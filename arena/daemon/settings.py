"""The settings that the daemon goes by, read anew for each battle and, when they have aged, for each look.

What cannot be leaves the old ones in force, and is told once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from arena.daemon.chronicle_outbox import Outbox
from arena.gate.process import GateSettings
from arena.gate.rules import GateRules
from arena.profiles.resolving import resolve
from arena.recipe import Recipe
from arena.rows import tokenizer
from arena.rows.formats import load_declared
from guild.curriculum.plan import Curriculum, read_curriculum
from realm import strict
from realm.config import RealmConfig
from realm.config_follower import with_hero_of
from realm.world import World

FOLLOWED = ("curriculum", "autoplay", "preset", "training", "base_model", "memory_budget_gb", "treasury")
"""Settings of which a change is for the next battle; all else is as the daemon began with it."""
FRESH_SECONDS = 2.0
"""Settings that were read earlier are read again before the gatekeepers look at a file."""


def read_rules(config: RealmConfig) -> GateRules:
    """Raises strict.BadConfig for rules that cannot be."""
    return strict.read(GateRules, config.gatekeeper, source="gatekeeper")


def _following(config: RealmConfig, newest: RealmConfig) -> RealmConfig:
    return replace(config, **{name: getattr(newest, name) for name in FOLLOWED})


class Settings:
    def __init__(
        self,
        world: World,
        config: RealmConfig,
        outbox: Outbox,
        *,
        load: Callable[[], RealmConfig],
        clock: Callable[[], float],
    ) -> None:
        """`load` reads the player's settings anew. Raises strict.BadConfig for a `config` that cannot be."""
        self._world, self._outbox, self._clock = world, outbox, clock
        self.load = load
        self.config = config
        """As at the start, but for what follows the player: FOLLOWED."""
        self.recipe, self.rules, self.specs = self._read(config)
        self.trouble = ""
        """Why the old settings stay in force, in one sentence."""
        self.next_hero = ""
        """Whom the settings name where that is another than who fights; see `take_on`."""
        self._read_at = clock()

    def read_again(self) -> None:
        """Changed settings are for the next battle and the next file."""
        self._read_at = self._clock()
        try:
            config = self.load()
            read_curriculum(config)
            next_hero = config.hero if config.hero != self.config.hero else ""
            if next_hero:
                self._read(config)  # no battle is paused for one who could not fight
                config = with_hero_of(config, self.config)
            self.recipe, self.rules, self.specs = self._read(config)
            self.config = _following(self.config, config)
            self.next_hero, trouble = next_hero, ""
        except strict.BadConfig as error:
            self.next_hero, trouble = "", f"The old settings stay in force: {error}"
        if trouble and trouble != self.trouble:
            self._outbox.add("settings_refused", trouble)
        self.trouble = trouble

    def take_on(self) -> None:
        """The hero that the settings name, with its model and recipe. Raises BadConfig; then nothing changed."""
        self.next_hero = ""
        config = self.load()
        self.recipe, self.rules, self.specs = self._read(config)
        self.config = with_hero_of(_following(self.config, config), config)

    def _read(self, config: RealmConfig) -> tuple[Recipe, GateRules, dict[str, dict[str, str]]]:
        """Raises strict.BadConfig for what cannot be."""
        return resolve(self._world, config).recipe, read_rules(config), load_declared(self._world)

    def refresh(self) -> None:
        if self._clock() - self._read_at > FRESH_SECONDS:
            self.read_again()

    def for_gate(self) -> GateSettings:
        self.refresh()
        found = tokenizer.find(self._world, self.config)
        return GateSettings(rules=self.rules, recipe=self.recipe, tokenizer=found, specs=self.specs, config=self.config)

    def curriculum(self) -> Curriculum:
        """The player's, as it stands now. Raises BadConfig."""
        return read_curriculum(self.load())
