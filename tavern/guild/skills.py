"""The skills as the Guild Hall shows them: level, what is missing for the next one, what was lost, who trains."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from guild.curriculum.plan import Curriculum, turns
from guild.evaluation.progression import ENOUGH_ACCURACY
from guild.models import Evaluation
from guild.selectors import SkillLevel, skill_level, skill_levels
from guild.skills import health
from guild.skills.health import Down
from guild.skills.registry import Skill
from realm.branch_rows import on_line
from realm.world import World
from tavern import formatting
from tavern.live_settings import read_wishes

MOST_SCORES = 5


@dataclass(frozen=True, kw_only=True)
class Score:
    accuracy: float
    correct: int
    total: int
    checkpoint: str

    @property
    def enough(self) -> bool:
        return self.accuracy >= ENOUGH_ACCURACY


@dataclass(frozen=True, kw_only=True)
class Step:
    """One level of the strip."""

    level: int
    state: str
    """`won`, `lost`, `current` or `ahead`."""

    @property
    def mark(self) -> str:
        """Says in text what the colour says."""
        return {"won": "✓", "lost": "✗", "current": "▸"}.get(self.state, "")


@dataclass(frozen=True, kw_only=True)
class TrainerState:
    said: str
    """Of which kind it is, and where."""
    trouble: str
    """Why it is left alone, and when it is tried again."""


@dataclass(frozen=True, kw_only=True)
class SkillCard:
    skill: Skill
    """As the player wants it."""
    known: SkillLevel
    scores: list[Score]
    """Of the working level, the newest last."""
    steps: list[Step]
    trainer: TrainerState
    waits: str
    """Why no quest of it is forged now; empty if one may be."""

    @property
    def pips(self) -> str:
        return "●" * self.known.in_a_row + "○" * (self.known.needed - self.known.in_a_row)


@dataclass(frozen=True, kw_only=True)
class Group:
    title: str
    said: str
    cards: list[SkillCard]


def groups(world: World, hero: str) -> list[Group]:
    """Those that quests are forged of, then those that rest."""
    wishes, _ = read_wishes(world)
    down = health.down(world)
    waits = {turn.skill.name: turn.waits or turn.doubt for turn in turns(world, hero, wishes)}
    cards = [_card(hero, known, wishes, down, waits) for known in skill_levels(hero)]
    found = (
        Group(title="In training", said="", cards=[card for card in cards if not card.waits]),
        Group(title="At rest", said="nothing is forged of these now", cards=[card for card in cards if card.waits]),
    )
    return [group for group in found if group.cards]


def read_card(world: World, hero: str, skill: Skill) -> SkillCard:
    wishes, _ = read_wishes(world)
    waits = {turn.skill.name: turn.waits or turn.doubt for turn in turns(world, hero, wishes)}
    return _card(hero, skill_level(hero, skill.name), wishes, health.down(world), waits)


def _card(
    hero: str, known: SkillLevel, wishes: Curriculum, down: Mapping[str, Down], waits: Mapping[str, str]
) -> SkillCard:
    return SkillCard(
        skill=wishes.applied(known.skill),
        known=known,
        scores=_scores(hero, known),
        steps=[
            Step(level=level, state=_state(level, known, known.lost)) for level in range(1, known.skill.max_level + 1)
        ],
        waits=waits.get(known.skill.name, ""),
        trainer=trainer_state(known.skill, down.get(known.skill.name)),
    )


def trainer_state(skill: Skill, down: Down | None, *, now: float | None = None) -> TrainerState:
    if skill.kind == "http":
        said = f"trainer: server {skill.api_url}"
    elif skill.kind == "reasoning-gym":
        said = f"trainer: {skill.trainer}"
    else:
        said = f"trainer: {skill.trainer.rpartition('.')[2]}, built in"
    if down is None:
        return TrainerState(said=said, trouble="")
    if down.lasting:
        return TrainerState(said=said, trouble=f"{down.reason}; it is left alone until its file changes")
    left = down.retry_at - (time.time() if now is None else now)
    again = f"tried again in {formatting.duration(left)}" if left > 0 else "tried again by whoever wants it next"
    times = "" if down.failures == 1 else f", {down.failures} times in a row"
    return TrainerState(said=said, trouble=f"Its trainer is down{times}: {down.reason}; {again}")


def _state(level: int, known: SkillLevel, lost: Collection[int]) -> str:
    if level in lost:
        return "lost"
    if level < known.level or known.finished:
        return "won"
    return "current" if level == known.level else "ahead"


def _scores(hero: str, known: SkillLevel) -> list[Score]:
    mine = Evaluation.objects.filter(on_line(hero), hero=hero, skill=known.skill.name, level=known.level)
    return [
        Score(accuracy=row.accuracy, correct=row.correct, total=row.total, checkpoint=row.checkpoint)
        for row in reversed(mine.order_by("-step", "-id")[:MOST_SCORES])
    ]
