"""What is forged by itself, as the scheduler shows it and sets it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import QueryDict

from guild import curriculum
from guild.curriculum import Plan, Turn, Why, Wishes, save_curriculum
from guild.skills import RANGES, Skill, list_skills
from realm import config, config_file, strict
from realm.config import RealmConfig
from realm.world import World
from tavern.guild_forms import WorkForm, without_point
from tavern.live_settings import read_settings, read_wishes

PERCENTS = ("rehearsal_share", "preview_share")
WHYS = {
    Why.CURRENT: "works on it",
    Why.MASTERED: "rehearsal",
    Why.LOST: "lost again",
    Why.NEXT: "preview",
}
TONES = {Why.CURRENT: "gold", Why.MASTERED: "moss", Why.LOST: "blood", Why.NEXT: "sky"}


def _whole(key: str, label: str) -> forms.IntegerField:
    lowest, highest = RANGES[key]
    return forms.IntegerField(label=label, required=False, min_value=int(lowest), max_value=int(highest))


def _percent(key: str, label: str) -> forms.FloatField:
    lowest, highest = RANGES[key]
    return forms.FloatField(label=label, required=False, min_value=lowest * 100, max_value=highest * 100)


class WishesForm(WorkForm):
    """What the player wants of one skill; an empty field is what the skill's file says."""

    priority = _whole("priority", "Priority")
    quest_rows = _whole("quest_rows", "Rows a quest")
    rehearsal_share = _percent("rehearsal_share", "Rehearsal, %")
    preview_share = _percent("preview_share", "Next level, %")
    lost_weight = _whole("lost_weight", "Lost levels, ×")

    def __init__(self, skill: Skill, wishes: Wishes, *arguments: Any, **options: Any) -> None:
        given = {key: _shown(key, value) for key, value in wishes.given().items()}
        super().__init__(*arguments, prefix=skill.name, initial=given, **options)
        self.skill = skill
        for key, field in self.fields.items():
            field.widget.attrs["placeholder"] = _shown(key, getattr(skill, key))

    def changes(self) -> dict[str, Any]:
        """Of a form that is valid: fractions where percents were typed, None where nothing was."""
        given = {key: self.cleaned_data[key] for key in self.changed_data}
        return {key: value / 100 if key in PERCENTS and value is not None else value for key, value in given.items()}


def _shown(key: str, value: float) -> float:
    return without_point(value * 100 if key in PERCENTS else value)


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
    planned = curriculum.plan(world, hero, wishes)
    return CurriculumPage(
        autoplay=found.autoplay,
        next=planned,
        mix=list(_mix(planned)) if planned else [],
        turns=curriculum.turns(world, hero, wishes),
        trouble=trouble or other_trouble,
    )


def _mix(planned: Plan) -> Iterable[MixPart]:
    rows = sum(part.rows for part in planned.mix)
    for part in planned.mix:
        yield MixPart(
            level=part.level, rows=part.rows, said=WHYS[part.why], tone=TONES[part.why], share=part.rows / rows
        )


def forms_of(world: World, typed: QueryDict | None = None) -> list[WishesForm]:
    wishes, _ = read_wishes(world)
    return [WishesForm(skill, wishes.wishes.get(skill.name, Wishes()), typed) for skill in list_skills()]


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
    config_file.change(world, {("autoplay",): on}, check=lambda values: strict.read(RealmConfig, values, source=source))
