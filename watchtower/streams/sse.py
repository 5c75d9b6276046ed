"""The text of server-sent events, and where a client says that it was: HTML Living Standard, 9.2."""

from __future__ import annotations

from typing import Any

import orjson
from django.http import HttpRequest

HEADERS = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
HEARTBEAT_SECONDS = 15.0
HEARTBEAT = b": \n\n"
"""A comment; a client that is gone is noticed by it, and a proxy sees that the stream lives."""
RETRY_MILLISECONDS = 2000
BEGINNING = f"retry: {RETRY_MILLISECONDS}\n\n".encode()
"""Sent at once, so that a browser knows that the stream is open."""


def encoded(name: str, place: str, data: dict[str, Any]) -> bytes:
    """One event, whose id is `place`. JSON has no raw line ends, so its data is always one line."""
    return f"event: {name}\nid: {place}\n".encode() + b"data: " + orjson.dumps(data) + b"\n\n"


def asked_place(request: HttpRequest, since: str | None) -> str | None:
    """What the client has already: `Last-Event-ID`, which a browser adds to the same address, else `since`."""
    return request.headers.get("Last-Event-ID") or since
