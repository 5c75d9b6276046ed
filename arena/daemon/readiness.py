"""Whether a quest's battle can begin: its recipe by the settings as they are now, the model, the player's word.

What cannot be is told in a sentence that says how to mend it. Mended settings are tried by themselves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from arena.daemon import battles, confirmations, hero_check
from arena.daemon.chronicle_outbox import Outbox
from arena.daemon.pause import Pause
from arena.daemon.settings import Settings
from arena.daemon.weights import Weights
from arena.gate import report as reports
from arena.models import Battle, Quest
from arena.profiles import hub, quest_recipe
from arena.profiles.hero_model import model_folder
from arena.profiles.resolving import Resolved, resolve
from arena.queue import admission
from arena.queue import files as queue
from realm.strict import BadConfig
from realm.world import World

HOW_TO_MEND = "change the settings, and the battle is resolved anew by itself; or resume once the model is mended"
HOW_TO_CONFIRM = "resume to train with it all the same, or set a lower one"


class Readiness:
    def __init__(self, world: World, settings: Settings, rest: Pause, outbox: Outbox, wake: Callable[[], None]) -> None:
        self._world, self._settings, self._rest, self._outbox = world, settings, rest, outbox
        self.weights = Weights(world, wake)

    def judge(self, quest: Quest, *, opened: bool) -> Resolved | None:
        """The recipe of the quest's battle. None where it cannot begin: the arena rests, waits, or the quest failed.

        `opened`: its battle has an order, by which not a single step was trained.
        """
        self._settings.read_again()
        config, path = self._settings.config, queue.path_of(self._world, quest)
        if not self._model_is_here():
            return None
        battles.ensure_hero(self._world, config)
        try:
            own = quest_recipe.read_beside(self._world, path)
            resolved = quest_recipe.resolve_for(self._world, config, path)
        except BadConfig as error:
            self._refuse_quest(quest, str(error), opened=opened)
            return None
        refusal = self._refusal(resolved)
        if refusal and own and not opened and not self._refusal(resolve(self._world, config)):
            self._refuse_quest(quest, f"by its own recipe it cannot be trained: {refusal}", opened=opened)
        elif refusal:
            self._outbox.add("hero_refused", refusal)
            self._begin_rest(f"{refusal}; {HOW_TO_MEND}" if opened else refusal)
        elif resolved.question and not self._is_confirmed(quest, resolved):
            self._outbox.add("hero_refused", f"{resolved.question}; {HOW_TO_CONFIRM}")
            self._begin_rest(f"{resolved.question}; {HOW_TO_CONFIRM}", question=resolved.question)
        else:
            return resolved
        return None

    def mended(self) -> bool:
        """Whether the settings are others than those that the arena rests for: then it need rest no longer."""
        if not self._rest.is_own:
            return False
        self._settings.refresh()
        asked = self._rest.settings
        changed = (
            asked != self._digest()
            if asked
            else self._differs(battles.unfinished(self._world, self._settings.config.hero))
        )
        if changed:
            self._outbox.add("settings_changed", "The settings have changed: the arena tries again")
            self._rest.end()
        return changed

    def confirm(self) -> None:
        """The player resumes: what the arena asked is answered, once for all."""
        if self._rest.question:
            confirmations.add(self._world, self._rest.question)

    def note_trouble(self, trouble: str) -> None:
        """Of the model, found by others: it may be gone with other settings."""
        self._begin_rest(trouble)

    def _refusal(self, resolved: Resolved) -> str:
        return hero_check.refusal_of(self._world, self._settings.config, resolved.recipe) or resolved.refusal

    def _is_confirmed(self, quest: Quest, resolved: Resolved) -> bool:
        wanted = reports.read_wishes(queue.path_of(self._world, quest)).confirmed_rate
        is_own = wanted is not None and resolved.recipe.learning_rate <= wanted
        return is_own or confirmations.has(self._world, resolved.question)

    def _model_is_here(self) -> bool:
        """A hub's model is fetched first; what of it cannot be had lets the arena rest."""
        model = hub.hub_id(self._settings.config)
        if model is None or not hub.missing_of(model):
            self.weights.end()
            return True
        found = model_folder(self._world, self._settings.config)
        if found is not None and found.parent == self._world.heroes / self._settings.config.hero:
            return True  # its whole checkpoints need no base
        refusal = self.weights.fetch(model)
        if refusal:
            self._outbox.add("hero_refused", refusal)
            self._begin_rest(f"{refusal}; resume once it can be had, or name another base_model")
        return False

    def _refuse_quest(self, quest: Quest, reason: str, *, opened: bool) -> None:
        if opened:
            self._begin_rest(f"{quest.name}: {reason}; {HOW_TO_MEND}")
        else:
            admission.refuse_recipe(self._world, quest, reason)

    def _begin_rest(self, trouble: str, *, question: str = "") -> None:
        self._rest.begin_for(trouble, settings=self._digest(), question=question)

    def _digest(self) -> str:
        """Of all that the player may mend a refusal by, without a restart."""
        config = self._settings.config
        battle = battles.unfinished(self._world, self._settings.config.hero)
        beside = reports.companion(queue.path_of(self._world, battle.quest), reports.RECIPE) if battle else None
        own = beside.read_bytes() if beside is not None and beside.is_file() else b""
        said = repr((config.hero, config.base_model, config.memory_budget_gb, sorted(config.training.items()), own))
        return hashlib.sha256(said.encode()).hexdigest()

    def _differs(self, battle: Battle | None) -> bool:
        """Whether a battle that the trainer refused before its first step would get another order now."""
        if battle is None or battles.has_trained(self._world, battle):
            return False
        try:
            order = battles.read_order(self._world, battle)
            path = queue.path_of(self._world, battle.quest)
            recipe = quest_recipe.resolve_for(self._world, self._settings.config, path).recipe
        except (OSError, ValueError):
            return False
        base = battles.ensure_hero(self._world, self._settings.config)
        return (order.recipe, order.base_model, order.hero) != (recipe, base, self._settings.config.hero)
