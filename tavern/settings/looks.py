"""How the pages look, as a form: what was chosen, and what was typed."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, get_args, get_type_hints

from django.http import QueryDict

from realm.field_help import help_of
from tavern.presentation.choices import SOUNDS, TOASTS, Presentation

_LABELS = {
    "theme": "Theme", "text_size": "Text size", "numbers": "Numbers", "motion": "Motion", "damage": "Damage numbers",
    "shake": "Shake", "pause_unfocused": "Pause while unfocused", "sound": "Sound", "volume": "Volume",
    "silent": "Silent sounds", "muted": "Notices left to the bell", "notify": "Browser notifications",
    "keys": "Single keys", "smoothing": "Smoothing of charts", "chart_x": "Charts over",
}  # fmt: skip
_SEVERAL = {"silent": SOUNDS, "muted": TOASTS}


@dataclass(frozen=True, kw_only=True)
class Look:
    name: str
    label: str
    help: str
    value: Any
    choices: tuple[str, ...] = ()
    several: bool = False
    """Any of the choices."""

    @property
    def is_switch(self) -> bool:
        return isinstance(self.value, bool)

    @property
    def chosen(self) -> tuple[str, ...]:
        return tuple(self.value) if self.several else (str(self.value),)


@dataclass(frozen=True, kw_only=True)
class Looks:
    fields: list[Look]
    refusal: str = ""


def read(presentation: Presentation, *, refusal: str = "") -> Looks:
    hints = get_type_hints(Presentation)
    found = [
        Look(
            name=field.name, label=_LABELS[field.name], help=help_of(Presentation).get(field.name, ""),
            value=getattr(presentation, field.name), several=field.name in _SEVERAL,
            choices=_SEVERAL.get(field.name) or tuple(map(str, get_args(hints[field.name]))),
        )
        for field in fields(Presentation)
    ]  # fmt: skip
    return Looks(fields=found, refusal=refusal)


def typed(form: QueryDict) -> dict[str, Any]:
    """What a whole form says: a box that is not ticked is off."""
    found: dict[str, Any] = {}
    for look in read(Presentation()).fields:
        if look.several:
            found[look.name] = form.getlist(look.name)
        elif look.is_switch:
            found[look.name] = look.name in form
        elif look.name in form:
            text = str(form[look.name]).strip()
            found[look.name] = int(text) if isinstance(look.value, int) and text.isdecimal() else text
    return found
