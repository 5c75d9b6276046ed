"""What may stand at a setting, by the annotation of its field; how it is written and read as text."""

from __future__ import annotations

import types
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from realm import strict
from realm.strict import BadConfig
from realm.yaml_files import UNREADABLE, parse_yaml


class FieldKind(StrEnum):
    SWITCH = "switch"
    WHOLE = "whole number"
    NUMBER = "number"
    CHOICE = "choice"
    TEXT = "text"
    LIST = "list"
    MAPPING = "mapping"


_SCALARS = {bool: FieldKind.SWITCH, int: FieldKind.WHOLE, float: FieldKind.NUMBER, str: FieldKind.TEXT}
_OF_CONTAINERS = {tuple: FieldKind.LIST, dict: FieldKind.MAPPING}


@dataclass(frozen=True, kw_only=True)
class Form:
    """Of a field: what kind of value, which choices, and whether it may be left to the realm."""

    kind: FieldKind
    choices: tuple[str, ...] = ()
    optional: bool = False
    """None is allowed."""


def form_of(hint: Any) -> Form:
    """Of an annotation that strict.read understands, other than a dataclass's."""
    if get_origin(hint) is Annotated:
        return form_of(get_args(hint)[0])
    if get_origin(hint) in (Union, types.UnionType):
        inner = form_of(next(part for part in get_args(hint) if part is not type(None)))
        return Form(kind=inner.kind, choices=inner.choices, optional=True)
    if get_origin(hint) is Literal:
        return Form(kind=FieldKind.CHOICE, choices=tuple(map(str, get_args(hint))))
    return Form(kind=_OF_CONTAINERS.get(get_origin(hint), _SCALARS.get(hint, FieldKind.MAPPING)))


def written(value: Any) -> str:
    """As a settings file has it, in one line."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(written, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {written(item)}" for key, item in value.items()) + "}"
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)


def read(form: Form, text: str) -> Any:
    """The value that was typed: a text as it stands, all else as in a settings file. Raises strict.BadConfig."""
    text = text.strip()
    if form.optional and text in ("", "null"):
        return None
    if form.kind is FieldKind.LIST and not text.startswith("["):
        text = f"[{text}]"
    if form.kind in (FieldKind.TEXT, FieldKind.CHOICE):
        return text
    try:
        return parse_yaml(text)
    except UNREADABLE:
        raise BadConfig(f"{strict.shown(text)} is no value; {form.kind} is expected") from None
