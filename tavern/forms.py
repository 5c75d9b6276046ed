"""What the forms of several pages share."""

from __future__ import annotations

from typing import Any

from django import forms

FIELD_ATTRIBUTES = {"class": "field", "autocomplete": "off"}


def without_point(value: float) -> float:
    """`120` and not `120.0`, `7` and not `7.000000000000001`; equal to what the field reads of it."""
    rounded = round(value, 9)
    return int(rounded) if rounded == int(rounded) else rounded


class StyledForm(forms.Form):
    """Its fields look as the page has them."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.label_suffix = ""
        for field in self.fields.values():
            if not isinstance(field.widget, forms.CheckboxSelectMultiple | forms.CheckboxInput):
                field.widget.attrs |= FIELD_ATTRIBUTES
