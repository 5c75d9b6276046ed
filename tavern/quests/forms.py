"""What the board's dialogs send."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings

from arena.models import Quest
from arena.profiles import quest_recipe
from arena.profiles.quest_recipe import OwnRecipe, UnconfirmedRate
from arena.queue.asking import Wanted
from realm.strict import BadConfig
from tavern.live_settings import read_settings
from tavern.quests.orders import BY

_PRIORITIES = Quest.Priority.choices


class BadRecipe(ValueError):
    """A recipe that cannot be, or that needs the player's word: one sentence."""


class RecipeForm(forms.Form):
    """A recipe of a quest's own."""

    preset = forms.CharField(max_length=40, required=False)
    recipe = forms.CharField(max_length=2000, required=False)
    """KEY=VALUE, divided by blanks."""
    confirmed = forms.BooleanField(required=False)

    def own_recipe(self) -> OwnRecipe:
        """Of a form that is valid. Raises BadRecipe."""
        given: dict[str, Any] = self.cleaned_data
        config, _ = read_settings(settings.WORLD)
        try:
            return quest_recipe.given(
                settings.WORLD, config, preset=given["preset"], pairs=given["recipe"].split(),
                confirmed=given["confirmed"], source="recipe",
            )  # fmt: skip
        except UnconfirmedRate as error:
            raise BadRecipe(f"{error}. Tick that it is meant, and send it again.") from error
        except BadConfig as error:
            raise BadRecipe(f"{error}.") from error


class AddForm(RecipeForm):
    """What is common to all ways of adding a quest."""

    priority = forms.ChoiceField(choices=_PRIORITIES, required=False)
    hold = forms.BooleanField(required=False)

    def wanted(self, name: str) -> Wanted:
        """Of a form that is valid. Raises BadRecipe."""
        given: dict[str, Any] = self.cleaned_data
        priority = given["priority"] or Quest.Priority.NORMAL
        return Wanted(by=BY, name=name, priority=priority, hold=given["hold"], own=self.own_recipe())


class SliceForm(AddForm):
    name = forms.CharField(max_length=1000, strip=False)
    offset = forms.IntegerField(min_value=0)
    total = forms.IntegerField(min_value=0)


class PasteForm(AddForm):
    name = forms.CharField(max_length=200, required=False)
    text = forms.CharField(required=False, strip=False)


class MendForm(forms.Form):
    text = forms.CharField(required=False, strip=False)
