"""What is forged by itself, as the scheduler shows it and sets it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from django import forms
from django.http import QueryDict

from guild.curriculum import plan
from guild.curriculum.plan import Plan, Turn, Why, Wishes, save_curriculum
from guild.skills.registry import Skill, read_skills
from realm import config, config_edit, strict
from realm.config import RealmConfig
from realm.world import World
from tavern.forms import FIELD_ATTRIBUTES, StyledForm, without_point
from tavern.live_settings import read_settings, read_wishes

PERCENT = "_share"
"""How keys end whose fractions are shown and typed as percents."""
LABELS = {
    "quest_rows": "Rows a quest",
    "rehearsal_share": "Rehearsal, %",
    "first_rehearsal_share": "Rehearsal in a level's first quest, %",
    "other_skills_share": "Other skills, %",
    "preview_share": "Next level, %",
    "lost_weight": "Lost levels, ×",
    "priority": "Priority",
}
WHYS = {
    Why.CURRENT: "works on it",
    Why.MASTERED: "rehearsal",
    Why.LOST: "lost again",
    Why.NEXT: "preview",
    Why.BESIDE: "rehearsal of what it works on",
}
TONES = {Why.CURRENT: "gold", Why.MASTERED: "moss", Why.LOST: "blood", Why.NEXT: "sky", Why.BESIDE: "moss"}


class WishesForm(StyledForm):
    """What the player wants of one skill: a field for each wish; an empty one is what the skill's file says."""

    def __init__(self, skill: Skill, wishes: Wishes, *arguments: Any, **options: Any) -> None:
        given = {key: _shown(key, value) for key, value in wishes.given().items()}
        super().__init__(*arguments, prefix=skill.name, initial=given, **options)
        self.skill = skill
        for wish in fields(Wishes):
            field = _field(wish.name)
            field.widget.attrs |= FIELD_ATTRIBUTES | {"placeholder": _shown(wish.name, getattr(skill, wish.name))}
            self.fields[wish.name] = field

    def changes(self) -> dict[str, Any]:
        """Of a form that is valid: fractions where percents were typed, None where nothing was."""
        given = {key: self.cleaned_data[key] for key in self.changed_data}
        return {
            key: value / 100 if key.endswith(PERCENT) and value is not None else value for key, value in given.items()
        }


def _field(key: str) -> forms.Field:
    allowed = strict.ranges_of(Wishes)[key]
    label = LABELS.get(key, key.replace("_", " "))
    if key.endswith(PERCENT):
        return forms.FloatField(
            label=label, required=False, min_value=allowed.least * 100, max_value=allowed.most * 100
        )
    return forms.IntegerField(label=label, required=False, min_value=int(allowed.least), max_value=int(allowed.most))


def _shown(key: str, value: float) -> float:
    return without_point(value * 100 if key.endswith(PERCENT) else value)


@dataclass(frozen=True, kw_only=True)
class MixPart:
    level: int
    rows: int
    said: str
    tone: str
    share: float


@dataclass(frozen=True, kw_only=True)
class CurriculumPage:
    autoplay: bool
    next: Plan | None
    mix: list[MixPart]
    turns: tuple[Turn, ...]
    """Whose turn it is, the first one first."""
    trouble: str


def read(world: World, hero: str) -> CurriculumPage:
    found, trouble = read_settings(world)
    wishes, other_trouble = read_wishes(world)
    planned = plan.plan(world, hero, wishes)
    turns = plan.turns(world, hero, wishes)
    titles = {turn.skill.name: turn.skill.title for turn in turns}
    return CurriculumPage(
        autoplay=found.autoplay,
        next=planned,
        mix=list(_mix(planned, titles)) if planned else [],
        turns=turns,
        trouble=trouble or other_trouble,
    )


def _mix(planned: Plan, titles: Mapping[str, str]) -> Iterable[MixPart]:
    rows = sum(part.rows for part in planned.mix)
    for part in planned.mix:
        of = "" if part.skill == planned.skill.name else f"of {titles[part.skill]}, "
        said = of + WHYS[part.why]
        yield MixPart(level=part.level, rows=part.rows, said=said, tone=TONES[part.why], share=part.rows / rows)


def forms_of(world: World, typed: QueryDict | None = None) -> list[WishesForm]:
    wishes, _ = read_wishes(world)
    return [WishesForm(skill, wishes.wishes.get(skill.name, Wishes()), typed) for skill in read_skills()]


def save(world: World, found: Iterable[WishesForm]) -> list[str]:
    """Of forms that are valid; the skills that were changed. Raises strict.BadConfig and GuildError."""
    changed: Mapping[str, dict[str, Any]] = {form.skill.name: form.changes() for form in found}
    wanted = {skill: changes for skill, changes in changed.items() if changes}
    for skill, changes in wanted.items():
        save_curriculum(world, skill, changes)
    return list(wanted)


def save_autoplay(world: World, on: bool) -> None:
    """Raises strict.BadConfig."""
    source = str(config.config_file(world))
    config_edit.change(world, {("autoplay",): on}, check=lambda values: strict.read(RealmConfig, values, source=source))
