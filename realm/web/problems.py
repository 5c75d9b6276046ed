"""A refusal as programs read it, RFC 9457 (`application/problem+json`): the same on every port. No Django.

Beside the standard's keys stand `success` and `error`, which scripts of the first documents ask for.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

MEDIA_TYPE = "application/problem+json"


API_PREFIXES = ("/api/", "/v1/")
"""Below them programs ask, who read no sentence alone."""


def refusal_body(sentence: str, *, status: int, path: str) -> tuple[bytes, bytes]:
    """Content type and body of a refusal before any application: a problem where programs ask, else a line of text."""
    if path.startswith(API_PREFIXES):
        return MEDIA_TYPE.encode(), json.dumps(problem(sentence, status=status, instance=path)).encode()
    return b"text/plain; charset=utf-8", f"{sentence}\n".encode()


def problem(sentence: str, *, status: int, instance: str) -> dict[str, Any]:
    """`type`, `title`, `status`, `detail`, `instance`, `success`, `error`; `instance` is the path that was asked for.

    `about:blank` says that the status tells all of its kind.
    """
    return {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "detail": sentence,
        "instance": instance,
        "success": False,
        "error": sentence,
    }
