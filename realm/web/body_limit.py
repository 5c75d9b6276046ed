"""A request's body has a largest size, and is refused before it is read.

daphne puts a whole body into memory before the application, and with it the guard, sees the request; Twisted parses a
form's body once more, at several times its size. Anybody's page could fill the memory so. Large quests come in slices.
"""

from __future__ import annotations

from typing import Any

from daphne import http_protocol  # type: ignore[import-untyped]

LARGEST_BODY_BYTES = 40 * 1024**2
"""Above what Django takes of a form without files."""
_REFUSAL = f"A request holds at most {LARGEST_BODY_BYTES} bytes and says how many. Put larger files into the inbox.\n"


class BoundedRequest(http_protocol.WebRequest):  # type: ignore[misc]
    def gotLength(self, length: int | None) -> None:  # noqa: N802
        """Told by Twisted once the headers are read; None: the body's length is not declared."""
        if length is not None and length <= LARGEST_BODY_BYTES:
            super().gotLength(length)
            return
        super().gotLength(0)
        self.channel.transport.write(_answer())
        self.channel.loseConnection()


def _answer() -> bytes:
    head = (
        "HTTP/1.1 413 Content Too Large\r\nContent-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff"
    )
    return f"{head}\r\nConnection: close\r\nContent-Length: {len(_REFUSAL)}\r\n\r\n{_REFUSAL}".encode()


def limit() -> None:
    """From now on, for every connection that daphne accepts; it has no setting for it."""
    protocol: Any = http_protocol
    protocol.WebRequest = BoundedRequest
