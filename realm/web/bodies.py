"""Bodies of requests as pydantic reads them, strictly: what is wrong is told in the words of `realm.strict`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError, model_validator
from pydantic_core import ErrorDetails

from realm import strict

if TYPE_CHECKING:
    from starlette.requests import Request

_EXPECTED = {
    "bool": "true or false", "int": "a whole number", "float": "a number", "string": "a text", "list": "a list",
    "dict": "a mapping", "model": "a mapping",
}  # fmt: skip
"""By the first word of pydantic's name of an error, such as `int_type` and `int_parsing`."""


BODY_SECONDS = 60.0


class Body(BaseModel):
    """Of numbers no texts, of truths no numbers, and no unknown keys."""

    model_config = ConfigDict(strict=True, frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _without_unknown_keys(cls, value: Any) -> Any:
        for key in value if isinstance(value, dict) else ():
            if key not in cls.model_fields:
                raise ValueError(strict.unknown_key(key, cls.model_fields))
        return value


class TooLarge(Exception):
    """The text says how large a request may be."""


class TooSlow(Exception):
    """The text says how long a request may take to arrive."""


B = TypeVar("B", bound=Body)


async def receive(request: Request, *, largest_bytes: int) -> bytes:
    """Raises TooLarge before more than the limit lies in memory, and TooSlow for a body that trickles."""
    too_large = TooLarge(f"a request holds at most {largest_bytes} bytes")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > largest_bytes:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for piece in request.stream():
                body += piece
                if len(body) > largest_bytes:
                    raise too_large
    except TimeoutError as error:
        raise TooSlow(f"a request arrives within {BODY_SECONDS:.0f} s, or not at all") from error
    return bytes(body)


def read(cls: type[B], value: Any, *, source: str, lax: bool = False) -> B:
    """`lax` takes numbers that are written as texts, as forms send them. Raises strict.BadConfig."""
    try:
        return cls.model_validate(value, strict=False if lax else None)
    except ValidationError as error:
        raise strict.BadConfig(source + _sentence(error.errors(include_url=False)[0])) from error


def between(least: float, most: float, *, of: Callable[[Any], Any] = lambda value: value) -> AfterValidator:
    """A range with both its ends, of the value or, say, its length."""
    return allowed(lambda value: least <= value <= most, f"allowed are {least} to {most}", of=of)


def counted(least: int, most: int) -> BeforeValidator:
    """How many a list holds, before any of them is looked at: of millions each would become an object, or an error."""

    def check(value: Any) -> Any:
        if isinstance(value, list) and not least <= len(value) <= most:
            raise ValueError(f"{least} to {most} are taken at once, not {len(value)}")
        return value

    return BeforeValidator(check)


def allowed(
    is_allowed: Callable[[Any], bool], words: str, *, of: Callable[[Any], Any] = lambda value: value
) -> AfterValidator:
    def check(value: Any) -> Any:
        if not is_allowed(of(value)):
            raise ValueError(f"{strict.shown(of(value))} is not allowed; {words}")
        return value

    return AfterValidator(check)


def _sentence(error: ErrorDetails) -> str:
    kind, given, path = error["type"], strict.shown(error["input"]), error["loc"]
    if kind == "missing":
        return f"{_place(path[:-1])}: key {path[-1]!r} is missing"
    if kind == "value_error":
        return f"{_place(path)}: {error['ctx']['error']}"
    if kind == "literal_error":
        return f"{_place(path)}: {given} is not allowed; allowed are {error['ctx']['expected']}"
    return f"{_place(path)}: {_EXPECTED[kind.partition('_')[0]]} is expected, not {given}"


def _place(path: tuple[int | str, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f": {part}" for part in path)
