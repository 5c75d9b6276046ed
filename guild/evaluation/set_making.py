"""Makes the sets that are missing beforehand, so that neither a battle nor an evaluation waits for a slow trainer."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from guild.errors import TrainerUnavailable
from guild.evaluation.progression import current_level
from guild.evaluation.sets import ensure_evaluation_set, set_name
from guild.evaluation.validation import ensure_validation, is_complete
from guild.skills.health import trainer_of, usable_skills
from guild.skills.registry import Skill
from realm.world import World


def missing_sets(world: World, hero: str) -> Iterator[tuple[Skill, int]]:
    """Evaluation sets of usable skills that are not there; of each skill those next to the hero's level first."""
    there = {path.name for path in world.evaluation.glob("*.jsonl")}
    for skill in usable_skills(world):
        levels = [level for level in range(1, skill.max_level + 1) if set_name(skill.name, level) not in there]
        if levels:
            at = current_level(hero=hero, skill=skill)
            yield from ((skill, level) for level in sorted(levels, key=lambda level: (abs(level - at), level)))


def is_anything_missing(world: World, hero: str) -> bool:
    return not is_complete(world) or next(missing_sets(world, hero), None) is not None


def make_missing_sets(world: World, hero: str, *, tell: Callable[[str], object]) -> tuple[int, list[str]]:
    """How many were made, and why others could not be; a trainer that fails once is asked no more.

    Raises errors.GuildError where the validation sets cannot be made.
    """
    made, troubles = 0, dict[str, str]()
    for skill, level in missing_sets(world, hero):
        if skill.name in troubles:
            continue
        try:
            with trainer_of(world, skill.name):
                ensure_evaluation_set(world, skill, level)
        except TrainerUnavailable as trouble:
            troubles[skill.name] = str(trouble)
        else:
            tell(f"{skill.name} level {level}: its evaluation set is made")
            made += 1
    if not is_complete(world):
        ensure_validation(world)
        tell("the validation sets are made")
        made += 1
    return made, list(troubles.values())
