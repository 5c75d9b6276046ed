"""Texts out of the JSON of a row, or the reason why they are none."""

from __future__ import annotations

from typing import Any

from arena.rows.key_names import Meaning, is_given, meaning_of
from arena.rows.model import BadRow, Kind


def text(value: Any, where: str) -> str:
    """`value` if it is a text that can be written as UTF-8. Raises BadRow naming the key."""
    if not isinstance(value, str):
        raise BadRow(f"{where}: a text is expected, not {kind_of(value)}", Kind.TYPE)
    if value.isascii():
        return value
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise BadRow(f"{where}: half of a surrogate pair at character {error.start + 1}", Kind.SURROGATE) from error
    return value


def parts(value: Any, where: str) -> str:
    """A text, or OpenAI's list of parts, of which only those of type text can be trained on. Raises BadRow."""
    if not isinstance(value, list):
        return text(value, where)
    return "".join(_part(part, f"{where}[{index}]") for index, part in enumerate(value))


def _part(value: Any, where: str) -> str:
    if not isinstance(value, dict):
        raise BadRow(f"{where}: an object with type and text is expected, not {kind_of(value)}", Kind.TYPE)
    if value.get("type") != "text":
        found = quoted(value.get("type"))
        raise BadRow(f"{where}: type {found} cannot be trained on; allowed is text", Kind.UNSUPPORTED)
    for key, item in value.items():
        if meaning_of(key) == Meaning.MEDIA and is_given(item):
            raise BadRow(f"{where}.{key}: only texts can be trained on; leave the row out", Kind.UNSUPPORTED)
    return text(value.get("text"), f"{where}.text")


def kind_of(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def quoted(value: Any) -> str:
    return repr(value) if isinstance(value, str | None) else f"that is {kind_of(value)}"
