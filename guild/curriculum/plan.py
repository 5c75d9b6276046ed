"""What the guild forges next, and why: skills by priority, levels by what the hero masters and has lost.

Each skill's file says what is to be; under `curriculum` in the world's config.yaml the player says otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

from guild.curriculum.forged_quests import forged_quests, next_number
from guild.evaluation.progression import current_level, lost_levels
from guild.skills import health
from guild.skills.registry import (
    LostWeight,
    PreviewShare,
    Priority,
    Rows,
    Share,
    Skill,
    get_skill,
    impossible_requirements,
    read_skills,
)
from realm import config_edit, strict
from realm.config import RealmConfig
from realm.quest_names import ForgedQuest, quest_name
from realm.world import World

LEAST_CURRENT_SHARE = 0.1
"""Of a quest's rows, however much is rehearsed and previewed."""
DOWN = "its trainer is down"
DOUBT = "its trainer was down when last tried"
LONGEST_MEMORY = 256
"""Quests forged before these say nothing about whose turn it is."""


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What the player wants of one skill; None: what the skill's file says."""

    priority: Priority | None = None
    """How often it is this skill's turn, beside the others; 0: never."""
    quest_rows: Rows | None = None
    """Rows of a quest that is forged."""
    rehearsal_share: Share | None = None
    """Of a quest's rows, those of levels that are won already."""
    first_rehearsal_share: Share | None = None
    """The same of the first quest of a level."""
    lost_weight: LostWeight | None = None
    """How much more of the rehearsal a lost level gets than one that is held."""
    preview_share: PreviewShare | None = None
    """Of a quest's rows, those of the next level."""
    other_skills_share: Share | None = None
    """Of a quest's rows, those of what the hero has learnt in other skills."""

    def __post_init__(self) -> None:
        strict.check_ranges(self)

    def given(self) -> dict[str, Any]:
        return {key: value for key, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class Curriculum:
    """The setting `curriculum`: wishes by the skill's name."""

    wishes: Mapping[str, Wishes] = field(default_factory=dict)

    def applied(self, skill: Skill) -> Skill:
        """The skill as the player wants it."""
        wishes = self.wishes.get(skill.name)
        return replace(skill, **wishes.given()) if wishes else skill

    def skills(self) -> tuple[Skill, ...]:
        """Every usable skill as the player wants it."""
        return tuple(map(self.applied, read_skills()))


AS_SHIPPED = Curriculum()


class Why(StrEnum):
    CURRENT = "current"
    MASTERED = "mastered"
    LOST = "lost"
    NEXT = "next"
    BESIDE = "beside"
    """Worked on in another skill."""


@dataclass(frozen=True, kw_only=True)
class Elsewhere:
    """A level of another skill than the quest's."""

    skill: str
    level: int
    why: Why
    weight: int
    """How much of the rehearsal it gets, beside the others."""


@dataclass(frozen=True, kw_only=True)
class LevelRows:
    skill: str
    level: int
    rows: int
    why: Why


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The next quest."""

    skill: Skill
    """As the player wants it."""
    level: int
    number: int
    mix: tuple[LevelRows, ...]
    """Rows by level, the lowest level first; those of other skills behind its own."""
    reason: str
    """Why this skill, in one sentence."""

    @property
    def name(self) -> str:
        return quest_name(self.skill.name, self.level, self.number)


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One skill in the order in which skills are forged."""

    skill: Skill
    level: int
    recent: int
    """How many of the newest forged quests were of this skill."""
    waits: str
    """Why no quest of it is forged now; empty if one may be."""
    doubt: str = ""
    """Why it may be passed over when its turn comes; empty if nothing is known against it."""


def read_curriculum(config: RealmConfig) -> Curriculum:
    """Raises strict.BadConfig. A skill that is not there now, because its file is broken, may be spoken of."""
    return _read(config.curriculum, source="settings: curriculum")


def _read(mapping: Mapping[str, Any], *, source: str) -> Curriculum:
    return Curriculum(
        wishes={name: strict.read(Wishes, wishes, source=f"{source}: {name}") for name, wishes in mapping.items()}
    )


def save_curriculum(world: World, skill: str, changes: Mapping[str, Any]) -> None:
    """Put keys of Wishes into the world's config.yaml; None gives a key back to the skill's file.

    Raises UnknownSkill, or strict.BadConfig; then nothing is written.
    """
    get_skill(skill)
    strict.read(Wishes, changes, source=f"curriculum: {skill}")
    config_edit.change(
        world,
        {("curriculum", skill, key): value for key, value in changes.items()},
        check=lambda settings: _read(settings.get("curriculum") or {}, source="curriculum"),
    )


def turns(world: World, hero: str, curriculum: Curriculum = AS_SHIPPED) -> tuple[Turn, ...]:
    """Every skill, the one whose turn it is first; those for which no quest is forged now stand last.

    Whose turn it is: who is furthest behind its share, by priority, of the newest forged quests and the next one; of
    equals, whose last one is longest ago. So many quests count as it takes to give each skill its share once; what was
    forged before is forgotten, so that a skill that joins late does not catch up for hours.
    """
    return _turns(world, forged_quests(world), hero, curriculum)


def _turns(world: World, quests: Sequence[ForgedQuest], hero: str, curriculum: Curriculum) -> tuple[Turn, ...]:
    down, usable = health.down(world), {skill.name for skill in health.usable_skills(world)}
    broken = {name for name, entry in down.items() if entry.lasting}
    skills = curriculum.skills()
    levels = {skill.name: current_level(hero=hero, skill=skill) for skill in skills}
    waits = {skill.name: _why_not(skill, levels, usable, broken) for skill in skills}
    wanted = {skill.name: skill.priority for skill in skills if not waits[skill.name]}
    newest = [quest.skill for quest in quests if quest.skill in wanted][-_memory(wanted.values()) :]
    last = {name: index for index, name in enumerate(newest)}
    found = [
        Turn(
            skill=skill,
            level=levels[skill.name],
            recent=newest.count(skill.name),
            waits=waits[skill.name],
            doubt=DOUBT if skill.name in down and not waits[skill.name] else "",
        )
        for skill in skills
    ]

    def neglect(turn: Turn) -> tuple[bool, float, int, str]:
        name = turn.skill.name
        due = (len(newest) + 1) * wanted.get(name, 0) / max(sum(wanted.values()), 1)
        return (bool(turn.waits), turn.recent - due, last.get(name, -1), name)

    return tuple(sorted(found, key=neglect))


def _memory(priorities: Collection[int]) -> int:
    """How many quests say whose turn it is: with the next one, each skill has had exactly its share of them."""
    smallest = math.gcd(*priorities) if priorities else 1
    return max(1, min(sum(priorities) // smallest, LONGEST_MEMORY) - 1)


def _why_not(skill: Skill, levels: Mapping[str, int], usable: Collection[str], broken: Collection[str]) -> str:
    """`broken`: skills whose trainer cannot do what their file says, be the hero's level there what it may."""
    if skill.priority == 0:
        return "its priority is 0"
    unusable = [name for name in skill.requires if name in broken and name in levels]
    never = [
        *impossible_requirements(skill),
        *(f"it requires {name}, whose file cannot be used" for name in unusable),
    ]
    if never:
        return " and ".join(never)
    missing = [f"{name} level {least}" for name, least in skill.requires.items() if levels.get(name, 0) < least]
    if missing:
        return f"it joins when the hero has reached {' and '.join(missing)}"
    if skill.name in broken:
        return "its trainer cannot do what its file says"
    return "" if skill.name in usable else DOWN


def plans(world: World, hero: str, curriculum: Curriculum = AS_SHIPPED) -> tuple[Plan, ...]:
    """The next quest of each skill that wants one, the one whose turn it is first."""
    quests = forged_quests(world)
    found = _turns(world, quests, hero, curriculum)
    return tuple(_plan(hero, turn, found, quests) for turn in found if not turn.waits)


def plan(world: World, hero: str, curriculum: Curriculum = AS_SHIPPED) -> Plan | None:
    """What would be forged next; None if no skill wants a quest."""
    return next(iter(plans(world, hero, curriculum)), None)


def _plan(hero: str, turn: Turn, all_turns: Sequence[Turn], quests: list[ForgedQuest]) -> Plan:
    skill, level = turn.skill, turn.level
    lost = lost_levels(hero=hero, skill=skill)
    number = next_number(quests, skill=skill.name, level=level)
    others = [other for other in all_turns if other.skill.name != skill.name and not other.waits]
    return Plan(
        skill=skill,
        level=level,
        number=number,
        mix=mix(skill, level, lost, others=_elsewhere(hero, others, quests), first=number == 1),
        reason=_reason(turn, all_turns, lost),
    )


def _elsewhere(hero: str, others: Sequence[Turn], quests: Collection[ForgedQuest]) -> list[Elsewhere]:
    """What the hero has learnt in other skills, by skill and level.

    The level it works on counts from its first quest on: half learnt, it is forgotten first. A level that is new comes
    in a quest of its own; as a small part of another one it only confuses the levels below.
    """
    begun = {(quest.skill, quest.level) for quest in quests}
    found: list[Elsewhere] = []
    for skill, current in sorted(((turn.skill, turn.level) for turn in others), key=lambda pair: pair[0].name):
        lost = lost_levels(hero=hero, skill=skill)
        for level in range(1, current + 1 if (skill.name, current) in begun else current):
            why = Why.BESIDE if level == current else _why(level in lost)
            weight = skill.lost_weight if why is Why.LOST else 1
            found.append(Elsewhere(skill=skill.name, level=level, why=why, weight=weight))
    return found


def _reason(turn: Turn, all_turns: Sequence[Turn], lost: Sequence[int]) -> str:
    of = sum(other.recent for other in all_turns)
    if sum(not other.waits for other in all_turns) == 1:
        whose = "it is the only skill that wants quests"
    else:
        whose = f"{turn.recent} of the last {of} forged quests were its own, at priority {turn.skill.priority}"
    again = f"; level {_listed(lost)} lost again" if lost else ""
    doubt = f"; {turn.doubt}, so another may be taken" if turn.doubt else ""
    return f"{turn.skill.title}: {whose}{again}{doubt}"


def _listed(levels: Sequence[int]) -> str:
    return f"{', '.join(map(str, levels))} {'was' if len(levels) == 1 else 'were'}"


def mix(
    skill: Skill, level: int, lost: Collection[int], *, others: Sequence[Elsewhere] = (), first: bool = False
) -> tuple[LevelRows, ...]:
    """How many rows of a quest are of which level.

    `rehearsal_share` of them, or `first_rehearsal_share` in the `first` quest of the level, are of the levels below,
    each lost one counting `lost_weight` times a mastered one; `other_skills_share` are of what the hero has learnt in
    other skills, by weight; `preview_share` are of the next level; the rest is of `level` itself, LEAST_CURRENT_SHARE
    of the quest at least. Where that is too much, there is first less of the next level, then of the other skills.
    """
    rehearsal_share = skill.first_rehearsal_share if first else skill.rehearsal_share
    rehearsed = round(skill.quest_rows * rehearsal_share) if level > 1 else 0
    room = max(skill.quest_rows - rehearsed - round(skill.quest_rows * LEAST_CURRENT_SHARE), 0)
    elsewhere = min(round(skill.quest_rows * skill.other_skills_share), room) if others else 0
    previewed = min(round(skill.quest_rows * skill.preview_share), room - elsewhere) if level < skill.max_level else 0
    current = skill.quest_rows - rehearsed - elsewhere - previewed
    below = _shared(rehearsed, [skill.lost_weight if lower in lost else 1 for lower in range(1, level)])
    beside = _shared(elsewhere, [other.weight for other in others])
    rows = [
        *(
            LevelRows(skill=skill.name, level=lower, rows=count, why=_why(lower in lost))
            for lower, count in enumerate(below, start=1)
        ),
        LevelRows(skill=skill.name, level=level, rows=current, why=Why.CURRENT),
        LevelRows(skill=skill.name, level=level + 1, rows=previewed, why=Why.NEXT),
        *(
            LevelRows(skill=other.skill, level=other.level, rows=count, why=other.why)
            for other, count in zip(others, beside, strict=True)
        ),
    ]
    return tuple(one for one in rows if one.rows)


def _why(lost: bool) -> Why:
    return Why.LOST if lost else Why.MASTERED


def _shared(rows: int, weights: Sequence[int]) -> list[int]:
    """`rows` by weight; what does not divide goes to the first ones."""
    total = sum(weights)
    shares = [rows * weight // total for weight in weights]
    rest = rows - sum(shares)
    return [share + (index < rest) for index, share in enumerate(shares)]
