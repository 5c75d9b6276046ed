"""Which checkpoints of a hero are meant: by step, by name, or `newest`, `best` (the champion), `all`, `base`.

All but names mean the hero's active branch and what it came from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from guild.champion import crown
from guild.errors import GuildError
from realm import config, strict
from realm.checkpoints import branches
from realm.checkpoints.branches import AmbiguousStep
from realm.checkpoints.names import step_of
from realm.world import World

WORDS = ("newest", "best", "all", "base")


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """Name or step, as a host is asked for it; the base model is step 0."""

    step: int | None = None
    name: str | None = None

    def __str__(self) -> str:
        return self.name or ("base" if self.step == 0 else f"step {self.step}")


def choose(world: World, hero: str, wishes: Sequence[str]) -> tuple[Chosen, ...]:
    """In the order wished, none twice. Raises GuildError.

    A step that does not lie here is left to the host, which may have it.
    """
    found: dict[str, Chosen] = {}
    for wish in wishes:
        for chosen in _meant(world, hero, wish.strip()):
            found.setdefault(str(chosen), chosen)
    if not found:
        raise GuildError("No checkpoint is named; name steps, names, or newest, best, all, base")
    return tuple(found.values())


def newest(world: World, hero: str) -> Path | None:
    """The folder of the hero's newest checkpoint."""
    return next(iter(branches.line_folders(world.heroes / hero)), None)


def _meant(world: World, hero: str, wish: str) -> list[Chosen]:
    if wish == "base":
        return [Chosen(step=0)]
    folders = branches.line_folders(world.heroes / hero)
    if wish in WORDS:
        if not folders:
            raise GuildError(f"{hero} has no checkpoint yet")
        chosen = [_champion(world, hero)] if wish == "best" else folders[:1] if wish == "newest" else folders[::-1]
        return [Chosen(name=folder.name, step=step_of(folder.name)) for folder in chosen]
    if (step := strict.whole_number(wish.removeprefix("checkpoint-"))) is not None:
        try:
            found = branches.at_step(world.heroes / hero, step)
        except AmbiguousStep as error:
            raise GuildError(str(error)) from error
        return [Chosen(step=step, name=found.name if found else None)]
    if step_of(wish) is None:
        raise GuildError(f"{strict.shown(wish)} is no checkpoint; name a step, a name, or {', '.join(WORDS)}")
    return [Chosen(name=wish, step=step_of(wish))]


def _champion(world: World, hero: str) -> Path:
    """By the metric of the settings."""
    try:
        found = crown.champion(world, hero, config.load(world).champion_metric)
    except strict.BadConfig as error:
        raise GuildError(str(error)) from error
    if found is None:
        raise GuildError(f"No checkpoint of {hero} was measured by champion_metric yet, so none is the best")
    return world.heroes / hero / found.name
