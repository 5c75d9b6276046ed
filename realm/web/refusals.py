"""Refusals before any application sees a request, in the shape that their address promises. No Django."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

OPENAI_PREFIX = "/v1/"
"""Below it clients of OpenAI's API ask."""


def openai_error(message: str, *, status: int, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    """The whole body of a refusal there."""
    kind = "server_error" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_request_error"
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def of_path(path: str, sentence: str, *, status: int) -> dict[str, Any]:
    if path.startswith(OPENAI_PREFIX):
        return openai_error(sentence, status=status)
    return {"success": False, "error": sentence}


def early(path: str, sentence: str, *, status: int) -> tuple[str, bytes]:
    """Type and body of what a guard says, which knows of no page: a line of text, but where JSON alone is read."""
    if path.startswith(OPENAI_PREFIX):
        return "application/json", encoded(path, sentence, status=status)
    return "text/plain; charset=utf-8", f"{sentence}\n".encode()


def encoded(path: str, sentence: str, *, status: int) -> bytes:
    return json.dumps(of_path(path, sentence, status=status), ensure_ascii=False).encode()
