"""A refusal as programs read it, RFC 9457 (`application/problem+json`): the same on every port. No Django.

Beside the standard's keys stand `success` and `error`, which scripts of the first documents ask for.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

MEDIA_TYPE = "application/problem+json"

API_PREFIX, OPENAI_PREFIX = "/api/", "/v1/"
"""Below them programs ask, who read no sentence alone; below the latter clients of OpenAI's API."""


def refusal_body(sentence: str, *, status: int, path: str) -> tuple[bytes, bytes]:
    """Content type and body of a refusal before any application: a problem where programs ask, else a line of text."""
    if path.startswith((API_PREFIX, OPENAI_PREFIX)):
        return problem_body(sentence, status=status, path=path)
    return b"text/plain; charset=utf-8", f"{sentence}\n".encode()


def problem_body(sentence: str, *, status: int, path: str) -> tuple[bytes, bytes]:
    """The same where nobody but programs asks."""
    if path.startswith(OPENAI_PREFIX):
        return b"application/json", _encoded(openai_error(sentence, status=status))
    return MEDIA_TYPE.encode(), _encoded(problem(sentence, status=status, instance=path))


def _encoded(told: dict[str, Any]) -> bytes:
    return json.dumps(told, ensure_ascii=False).encode()


def openai_error(message: str, *, status: int, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    """A refusal as OpenAI's clients read it; `param` is the key that is to blame, `code` a word for the reason."""
    kind = "server_error" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_request_error"
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


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
