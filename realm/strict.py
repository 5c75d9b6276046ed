"""Plain mappings (YAML, JSON) into frozen dataclasses, strictly: an unknown key or a bad value is an error
that names source, key and what is allowed. Standard library only.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import math
import re
import reprlib
import types
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")
_DIGITS = re.compile(r"[0-9]{1,19}")
LARGEST_NUMBER = 10**308
"""About the largest that a float holds; Python refuses to write numbers of thousands of digits."""


class BadConfig(ValueError):
    """One sentence for the player: where, what, and what is allowed."""


def read(cls: type[T], mapping: Any, *, source: str) -> T:
    """Build dataclass `cls` from `mapping`; `source` (a file, a variable) is named in errors.

    Supports bool, int, float, str, StrEnum, Literal, X | None, tuple[X, ...], dict[str, X] and nested dataclasses. What
    else holds of values is the dataclass's own business: `__post_init__` calls check_ranges, or raises ValueError.
    """
    if not isinstance(mapping, Mapping):
        raise BadConfig(f"{source}: a mapping is expected, {type(mapping).__name__} found")
    hints = _hints_of(cls)  # type: ignore[arg-type]  # mypy does not know that classes are hashable
    fields = {field.name: field for field in dataclasses.fields(cls) if field.init}  # type: ignore[arg-type]
    for key in mapping:
        if key not in fields:
            raise BadConfig(f"{source}: {unknown_key(key, fields)}")
    values = {key: _convert(hints[key], value, f"{source}: {key}") for key, value in mapping.items()}
    for name, field in fields.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and name not in values:
            raise BadConfig(f"{source}: key {name!r} is missing")
    try:
        return cls(**values)
    except BadConfig:
        raise
    except ValueError as error:
        raise BadConfig(f"{source}: {error}") from error


@dataclasses.dataclass(frozen=True)
class Range:
    """What numbers a field may hold, both ends with it: `Annotated[int, Range(1, 10)]`."""

    least: float
    most: float
    fault: str = "is not allowed"

    def refusal(self, value: float) -> str:
        """What is said behind `value`; empty where it is allowed, as NaN never is."""
        return "" if self.least <= value <= self.most else f"{self.fault}; allowed are {self.least} to {self.most}"


@dataclasses.dataclass(frozen=True)
class Bounds(Range):
    """A range of which only the end that was overstepped is worth telling."""

    most: float = math.inf

    def refusal(self, value: float) -> str:
        if value > self.most:
            return f"is too large; the most allowed is {self.most}"
        return "" if value >= self.least else f"is too small; the least allowed is {self.least}"


def check_ranges(instance: Any) -> None:
    """Hold a dataclass against the ranges of its annotations; None is in each. Raises ValueError that names the key."""
    for name, allowed in ranges_of(type(instance)).items():  # type: ignore[arg-type]  # as above
        value = getattr(instance, name)
        if value is not None and (refusal := allowed.refusal(value)):
            raise ValueError(f"{name}: {shown(value)} {refusal}")


@functools.cache
def ranges_of(cls: type) -> dict[str, Range]:
    """By field; those without one are left out."""
    hints = get_type_hints(cls, include_extras=True)
    return {name: found for name, hint in hints.items() if (found := _range_in(hint))}


def _range_in(hint: Any) -> Range | None:
    """Of `Annotated[…, Range(…)]`, also beside None in a union."""
    inner = [part for part in (hint, *get_args(hint)) if get_origin(part) is Annotated]
    return next((extra for part in inner for extra in part.__metadata__ if isinstance(extra, Range)), None)


def unknown_key(key: Any, allowed: Iterable[str]) -> str:
    """With what is allowed, and what may have been meant."""
    names = sorted(allowed)
    meant = difflib.get_close_matches(str(key).lower(), names, n=1) if isinstance(key, str) else []
    hint = f"; did you mean {meant[0]!r}?" if meant else ""
    return f"unknown key {shown(key)}; allowed are {', '.join(names)}{hint}"


class _Short(reprlib.Repr):
    """A few aliases in YAML make a value that would fill the memory if it were written out."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxstring, self.maxother = 2, 100, 100

    def repr_int(self, x: int, level: int) -> str:
        if abs(x) > LARGEST_NUMBER:
            return "a number beyond all limits"
        return repr(x)


_SHORT = _Short()


def shown(value: Any) -> str:
    """A value as a sentence quotes it: shortened in its middle."""
    return _SHORT.repr(value)


def whole_number(text: str, *, most: int = 10**18 - 1) -> int | None:
    """From 0 to `most`, in plain digits; None for any other text."""
    return int(text) if _DIGITS.fullmatch(text) and int(text) <= most else None


@functools.cache
def _hints_of(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)


def _convert(hint: Any, value: Any, where: str) -> Any:
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return _convert_union(hint, value, where)
    if origin is Literal:
        return _convert_choice(get_args(hint), value, where)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return hint(_convert_choice(tuple(hint), value, where))
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise BadConfig(f"{where}: a list is expected, not {shown(value)}")
        return tuple(_convert(get_args(hint)[0], item, f"{where}[{index}]") for index, item in enumerate(value))
    if origin is dict:
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            raise BadConfig(f"{where}: a mapping is expected, not {shown(value)}")
        return {key: _convert(get_args(hint)[1], item, f"{where}.{key}") for key, item in value.items()}
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return read(hint, value, source=where)
    return _convert_scalar(hint, value, where)


def _convert_choice(allowed: tuple[Any, ...], value: Any, where: str) -> Any:
    if value not in allowed or isinstance(value, bool):
        raise BadConfig(f"{where}: {shown(value)} is not allowed; allowed are {', '.join(map(str, allowed))}")
    return value


def _convert_union(hint: Any, value: Any, where: str) -> Any:
    if value is None and type(None) in get_args(hint):
        return None
    (inner,) = (arg for arg in get_args(hint) if arg is not type(None))
    return _convert(inner, value, where)


def _convert_scalar(hint: Any, value: Any, where: str) -> Any:
    if isinstance(value, int) and abs(value) > LARGEST_NUMBER:
        raise BadConfig(f"{where}: {shown(value)} is too large for a number; a smaller one is expected")
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint is not Any and (not isinstance(value, hint) or (hint is not bool and isinstance(value, bool))):
        raise BadConfig(f"{where}: {_NAMES.get(hint, hint)} is expected, not {shown(value)}")
    if isinstance(value, float) and value != value:
        raise BadConfig(f"{where}: a number is expected, not NaN")
    return value


_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
