"""What the Guild Hall's forms ask for: a forge, a trial, a sparring."""

from __future__ import annotations

import re
from typing import Any

from django import forms
from django.conf import settings

from guild.skills.registry import read_skills
from guild.work import forging, sparring, trials
from guild.work.forging import ForgeOrder
from guild.work.sparring import SparringOrder
from guild.work.trials import TrialOrder
from realm.world import World
from tavern.forms import StyledForm

MOST_LEVELS = 200
MOST_CHECKPOINTS = 100
_RANGE = re.compile(r"(\d{1,4})(?:\s*[-–]\s*(\d{1,4}))?")


class LevelsField(forms.CharField):
    """`3`, `1-4`, `1, 3, 7-9`: a tuple of levels, each once and in rising order."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=200, **options)

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value) or ""
        levels: set[int] = set()
        for part in filter(None, (part.strip() for part in text.split(","))):
            found = _RANGE.fullmatch(part)
            if found is None:
                raise forms.ValidationError(f"{part!r} is no level; write 3, 1-4 or 1, 3, 7-9")
            first, last = int(found[1]), int(found[2] or found[1])
            if not 1 <= first <= last:
                raise forms.ValidationError(f"{part!r} is no range of levels; the first is 1, the lower stands first")
            levels |= set(range(first, last + 1))
        if len(levels) > MOST_LEVELS:
            raise forms.ValidationError(f"{len(levels)} levels are more than {MOST_LEVELS}")
        return tuple(sorted(levels))

    def validate(self, value: Any) -> None:
        if self.required and not value:
            raise forms.ValidationError("name at least one level")


class WishesField(forms.CharField):
    """Words between commas, each once, in their order."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=4000, **options)

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value) or ""
        wishes = tuple(dict.fromkeys(filter(None, (part.strip() for part in text.split(",")))))
        if len(wishes) > MOST_CHECKPOINTS:
            raise forms.ValidationError(f"{len(wishes)} checkpoints are more than {MOST_CHECKPOINTS}")
        return wishes


def skill_choices() -> list[tuple[str, str]]:
    return [(skill.name, skill.title) for skill in read_skills()]


class ForgeForm(StyledForm):
    skill = forms.ChoiceField(choices=skill_choices)
    levels = LevelsField(initial="1", help_text="3, 1-4 or 1, 3, 7-9; in equal shares")
    count = forms.IntegerField(label="Rows", min_value=1, max_value=forging.MOST_ROWS, initial=1000)

    def order(self) -> ForgeOrder:
        """Raises GuildError."""
        given = self.cleaned_data
        return forging.order(skill=given["skill"], levels=given["levels"], count=given["count"])


class SparringForm(StyledForm):
    skill = forms.ChoiceField(choices=skill_choices)
    level = forms.IntegerField(required=False, min_value=1, help_text="empty: the one it works on")
    count = forms.IntegerField(label="Problems", min_value=1, max_value=sparring.MOST_PROBLEMS, initial=100)
    checkpoint = forms.CharField(
        max_length=200, initial="newest",
        help_text="newest, best (the champion), a step or a name",
    )  # fmt: skip

    def order(self, world: World, hero: str) -> SparringOrder:
        """Raises GuildError."""
        given = self.cleaned_data
        return sparring.order(
            world=world,
            hero=hero,
            skill=given["skill"],
            count=given["count"],
            level=given["level"],
            checkpoint=given["checkpoint"],
            quote=settings.REALM.sparring_quotes_mistakes,
        )


class TrialForm(StyledForm):
    checkpoints = WishesField(
        initial="newest, best", help_text="newest, best (the champion), all, base, steps or names"
    )
    skills = forms.MultipleChoiceField(choices=skill_choices, widget=forms.CheckboxSelectMultiple)
    levels = LevelsField(required=False, help_text="3, 1-4 or 1, 3, 7-9; empty: all")
    problems = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=trials.MOST_PROBLEMS,
        help_text="fresh ones of each level; empty: the evaluation sets, which are never trained on",
    )

    def order(self, world: World, hero: str) -> TrialOrder:
        """Raises GuildError."""
        given = self.cleaned_data
        return trials.order(
            world=world,
            hero=hero,
            checkpoints=given["checkpoints"],
            skills=given["skills"],
            levels=given["levels"] or None,
            problems=given["problems"],
        )
