"""Text that PostgreSQL takes: it knows no NUL character, and in JSON no half of a surrogate pair; SQLite knows both.

What a file, an order or a request holds of them is kept as U+FFFD, so that nobody's text ends a daemon.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

_REPLACEMENT = "\ufffd"
_BACKSLASHES = rb"(?<!\\)((?:\\\\)*)"
_HIGH, _LOW = rb"\\u[dD][89abAB][0-9a-fA-F]{2}", rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_UNKNOWN_IN_JSON = re.compile(_BACKSLASHES + rb"(?:(" + _HIGH + _LOW + rb")|\\u0000|" + _HIGH + rb"|" + _LOW + rb")")


def register(connection: Any, **about: Any) -> None:
    """A receiver of Django's `connection_created`."""
    if connection.vendor == "postgresql":
        for kind, dumper in _dumpers():
            connection.connection.adapters.register_dumper(kind, dumper)


def known_in_json(written: bytes) -> bytes:
    """JSON as `json.dumps` writes it, in ASCII, without what PostgreSQL refuses."""
    if b"\\u" not in written:
        return written
    return _UNKNOWN_IN_JSON.sub(lambda found: found[1] + (found[2] or rb"\ufffd"), written)


@cache
def _dumpers() -> tuple[tuple[type, type], ...]:
    """The driver is there only where PostgreSQL is."""
    from psycopg.types.json import Jsonb, JsonbDumper
    from psycopg.types.string import StrDumper

    class Text(StrDumper):
        def dump(self, obj: str) -> Any:
            return super().dump(obj.replace("\0", _REPLACEMENT) if "\0" in obj else obj)

    class Json(JsonbDumper):
        def dump(self, obj: Any) -> Any:
            return known_in_json(bytes(super().dump(obj) or b"null"))

    return (str, Text), (Jsonb, Json)
