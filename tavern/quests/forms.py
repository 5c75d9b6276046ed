"""What the board's dialogs send."""

from __future__ import annotations

from typing import Any

from django import forms

from arena.models import Quest
from tavern.quests.uploads import Wanted

_PRIORITIES = Quest.Priority.choices


class AddForm(forms.Form):
    """What is common to all ways of adding a quest."""

    priority = forms.ChoiceField(choices=_PRIORITIES, required=False)
    hold = forms.BooleanField(required=False)

    def wanted(self, name: str) -> Wanted:
        """Of a form that is valid."""
        given: dict[str, Any] = self.cleaned_data
        return Wanted(name=name, priority=given["priority"] or Quest.Priority.NORMAL, hold=given["hold"])


class SliceForm(AddForm):
    name = forms.CharField(max_length=1000, strip=False)
    offset = forms.IntegerField(min_value=0)
    total = forms.IntegerField(min_value=0)


class PasteForm(AddForm):
    name = forms.CharField(max_length=200, required=False)
    text = forms.CharField(required=False, strip=False)


class MendForm(forms.Form):
    text = forms.CharField(required=False, strip=False)
