"""Rows that a quest of the player's is trained with, so that it does not erase what came before.

They are fresh problems of the levels won, and rows of earlier quests of the player's, and lie with the battle: a
resumed run trains on the same.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from arena import chronicle
from arena.daemon.validation_sets import taught
from arena.gate import held_out
from arena.gate.duplicates import digest_of
from arena.gate.held_out import HeldOutRows
from arena.models import Quest
from arena.protocol import REHEARSAL_FILE
from arena.recipe import Recipe
from arena.rows.model import Content, Row, UnreadableQuest
from arena.rows.parse import read_rows
from arena.rows.written import to_jsonl
from guild.curriculum import rehearsal
from guild.curriculum.plan import read_curriculum
from guild.errors import GuildError
from guild.trainers import problems
from guild.trainers.seeds import derive, shuffled
from realm.config import RealmConfig
from realm.disk import durable
from realm.quest_names import is_own_name
from realm.strict import BadConfig
from realm.world import World


def write(world: World, config: RealmConfig, recipe: Recipe, quest: Quest, folder: Path) -> Path | None:
    """The file in the battle's folder; None where nothing is rehearsed, as by a hero that was taught nothing yet.

    Rehearsed rows are the recipe's share of all rows of the battle; half of them are of earlier quests where there are
    any and levels were won too. What is wrong with the guild costs its half, not the battle.
    """
    count = rows_to_rehearse(quest.taken, recipe.rehearsal_share) if is_own_name(quest.name) else 0
    if not count:
        return None
    seed = derive("rehearsal", quest.sha256)
    source = random.Random(seed)
    earlier = shuffled(_earlier(world, config.hero, quest), source)
    lessons = shuffled(_lessons(world, config, count - len(earlier[: count // 2]), seed), source)
    contents = earlier[: count // 2 if lessons else count]
    data = to_jsonl(contents) + problems.to_jsonl(lessons[: count - len(contents)])
    if not data:
        return None
    durable.write_bytes(folder / REHEARSAL_FILE, data)
    return folder / REHEARSAL_FILE


def rows_to_rehearse(rows: int, share: float) -> int:
    """So that they are this share of all rows with the quest's own: 100 beside 400 at 0.2."""
    return round(rows * share / (1 - share))


def _lessons(world: World, config: RealmConfig, count: int, seed: int) -> list[dict[str, object]]:
    def tell(trouble: str) -> None:
        chronicle.say("guild_trouble", trouble)

    try:
        return rehearsal.lessons(world, config.hero, count, seed, read_curriculum(config), tell=tell)
    except (GuildError, BadConfig) as error:
        tell(str(error))
        return []


def _earlier(world: World, hero: str, quest: Quest) -> Sequence[Content]:
    """Rows of the player's quests that the hero was taught before, of each as many as are kept; none held out."""
    mine = held_out.file_of(world.rehearsal, quest.name, quest.sha256)
    known = HeldOutRows(world.validation_quests)
    known.refresh()
    contents = [content for path in taught(world.rehearsal, hero) if path != mine for content in _contents(path)]
    digests = np.array([digest_of(content) for content in contents], dtype=np.uint64)
    is_held_out = np.isin(digests, known.all()).tolist()
    return [content for content, held in zip(contents, is_held_out, strict=True) if not held]


def _contents(path: Path) -> list[Content]:
    try:
        return [row.content for row in read_rows(path) if isinstance(row, Row)]
    except (OSError, UnreadableQuest):
        return []
