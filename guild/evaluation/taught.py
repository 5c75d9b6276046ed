"""What a hero has been taught, level by level: where the fixed problems lie that say whether it still knows them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from guild.curriculum.plan import AS_SHIPPED, Curriculum, Turn, turns
from guild.evaluation.exam import EvaluationFile, evaluation_file
from guild.evaluation.validation import ensure_validation, validation_path
from realm.world import World


def level_sets(
    world: World, hero: str, curriculum: Curriculum = AS_SHIPPED, *, fought: str | None = None
) -> dict[str, Path]:
    """Validation sets of the levels reached in each skill in play, by `<skill>/<level>`.

    The fought skill's come first, and of each skill its highest level. A remote trainer's skill has none.
    """
    ensure_validation(world)
    return {
        f"{turn.skill.name}/{level}": path
        for turn in _in_play(world, hero, curriculum, fought)
        for level in range(turn.level, 0, -1)
        if (path := validation_path(world, turn.skill.name, level)).exists()
    }


def won_levels(
    world: World, hero: str, curriculum: Curriculum = AS_SHIPPED, *, fought: str | None = None
) -> tuple[EvaluationFile, ...]:
    """Evaluation sets of every level won so far, be it lost again. Raises DamagedSet."""
    found = (
        evaluation_file(world, turn.skill, level)
        for turn in _in_play(world, hero, curriculum, fought)
        for level in range(1, turn.level)
    )
    return tuple(file for file in found if file)


def _in_play(world: World, hero: str, curriculum: Curriculum, fought: str | None) -> Iterator[Turn]:
    """Skills that are forged, and those that the hero has learnt something of; in an order that stays."""
    found = turns(world, hero, curriculum)
    named = sorted(found, key=lambda turn: (turn.skill.name != fought, turn.skill.name))
    return (turn for turn in named if turn.level > 1 or not turn.waits or turn.skill.name == fought)
