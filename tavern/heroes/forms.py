"""What the page of the heroes asks for: a new hero, a branch, a match."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings

from arena import presets
from arena.roster import base_models
from guild.skills.registry import list_skills
from guild.work import matches
from guild.work.trials import TrialOrder
from realm import heroes
from realm.world import World
from tavern.forms import StyledForm
from tavern.guild.forms import LevelsField, skill_choices

OTHER = "other"
POINTS = [("newest", "as it is now"), ("best", "its champion"), ("base", "its base model")]


def preset_choices() -> list[tuple[str, str]]:
    return [(preset.name, preset.name) for preset in presets.list_presets(settings.WORLD)]


def base_choices() -> list[tuple[str, str]]:
    known = [(model.value, model.label) for model in base_models.known_models(settings.WORLD)]
    return [*known, (OTHER, "another one, named below")]


def hero_choices() -> list[tuple[str, str]]:
    return [(path.name, path.name) for path in heroes.folders(settings.WORLD)]


class CreateForm(StyledForm):
    name = forms.CharField(max_length=80)
    base_model = forms.ChoiceField(choices=base_choices, label="Begins from")
    other = forms.CharField(
        max_length=400, required=False, label="Another model",
        help_text="a hub id such as Qwen/Qwen3-0.6B, or the whole path of a folder",
    )  # fmt: skip
    preset = forms.ChoiceField(choices=preset_choices, label="Preset of its recipe", initial="standard")

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        other = given.get("other", "").strip()
        if given.get("base_model") == OTHER and not other:
            self.add_error("other", "Name the model that it begins from.")
        return given | {"base": other or given.get("base_model", heroes.EMBEDDED)}


class BranchForm(StyledForm):
    name = forms.CharField(max_length=80)
    hero = forms.ChoiceField(choices=hero_choices, label="Parent")
    checkpoint = forms.CharField(
        max_length=200, initial="best", help_text="best (the champion: New game +), newest, a step or a name"
    )


class MatchForm(StyledForm):
    first = forms.ChoiceField(choices=hero_choices)
    first_point = forms.ChoiceField(choices=POINTS, label="at")
    second = forms.ChoiceField(choices=hero_choices, label="against")
    second_point = forms.ChoiceField(choices=POINTS, label="at")
    skills = forms.MultipleChoiceField(
        choices=skill_choices, widget=forms.CheckboxSelectMultiple, required=False, help_text="none: all"
    )
    levels = LevelsField(required=False, initial="1-3", help_text="3, 1-4 or 1, 3, 7-9; empty: all")

    def order(self, world: World) -> TrialOrder:
        """Raises GuildError."""
        given = self.cleaned_data
        return matches.order(
            world=world,
            first=(given["first"], given["first_point"]),
            second=(given["second"], given["second_point"]),
            skills=given["skills"] or list_skills(),
            levels=given["levels"] or None,
        )
