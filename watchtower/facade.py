"""The watchtower for a script or a notebook: see realm.facade."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from realm.config import RealmConfig
from realm.place import Place
from realm.world import World
from watchtower import snapshot
from watchtower.view import View, first_look

_STATES = {"training": "training", "paused": "paused", "resting": "paused"}


@dataclass(frozen=True, kw_only=True)
class Vision:
    """What is seen in the pool at one moment."""

    battle_state: str
    """`idle`, `training` or `paused`."""
    arena: str
    """The arena's own word, such as `preparing`, `resting` or `offline`."""
    message: str
    quest: str | None
    battle: str | None
    step: int | None
    quest_step: int | None
    total: int | None
    loss: float | None
    validation_loss: float | None
    accuracy: float | None
    """Of the newest evaluation, 0 to 1."""
    steps_per_second: float | None
    tokens_per_second: float | None
    eta_seconds: float | None
    stale: bool
    """Whether the daemon has said nothing for more than ten seconds."""


class ScryingPool:
    def __init__(self, world: World, config: RealmConfig) -> None:
        self._world, self._config = world, config

    def gaze(self) -> Vision:
        """The running battle as of now, or the last one; nothing is kept open."""
        return _seen(first_look(self._world, self._config.hero))

    def snapshot(self) -> dict[str, Any]:
        """All that a page of the battle is drawn from, with its curves: the first message of `/ws/battle/`."""
        return snapshot.build_snapshot(self._world, self._config.hero)

    def __repr__(self) -> str:
        return f"<ScryingPool: {self.gaze().battle_state}>"


class Watchtower(Place):
    @cached_property
    def pool(self) -> ScryingPool:
        return ScryingPool(self.world, self._config)

    def in_words(self) -> str:
        return self.pool.gaze().battle_state


def _seen(view: View) -> Vision:
    facts = view.facts
    live = snapshot.live_numbers(view, facts) if facts else {}
    return Vision(
        battle_state=_STATES.get(view.arena.state, "idle"),
        arena=view.arena.state,
        message=view.arena.message,
        quest=facts.quest if facts else None,
        battle=facts.battle if facts else None,
        step=live.get("step"),
        quest_step=live.get("quest_step"),
        total=facts.total if facts else None,
        loss=live.get("loss"),
        validation_loss=view.validation_loss,
        accuracy=view.accuracy,
        steps_per_second=live.get("sps"),
        tokens_per_second=live.get("tok_s"),
        eta_seconds=live.get("eta_s"),
        stale=view.stale,
    )
