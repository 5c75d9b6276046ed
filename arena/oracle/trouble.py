"""What an inference host refuses: one sentence each, with the HTTP status and OpenAI's code for it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar


class OracleTrouble(Exception):
    """Base of all; raised itself where generation fails."""

    status: ClassVar[int] = 500
    kind: ClassVar[str] = "server_error"
    code: ClassVar[str | None] = None

    def body(self) -> dict[str, Any]:
        return {"error": {"message": str(self), "type": self.kind, "param": None, "code": self.code}}


class BadRequest(OracleTrouble):
    status, kind, code = 400, "invalid_request_error", "invalid_request"


class TooLong(BadRequest):
    code = "context_length_exceeded"


class TooLarge(BadRequest):
    status, code = 413, "request_too_large"


class TooSlow(BadRequest):
    status, code = 408, "request_timeout"


class UnknownModel(OracleTrouble):
    """`available`: steps that could be loaded."""

    status, kind, code = 404, "invalid_request_error", "model_not_found"

    def __init__(self, text: str, *, available: Iterable[int]) -> None:
        super().__init__(text)
        self.available = list(available)

    def body(self) -> dict[str, Any]:
        return super().body() | {"available": self.available}


class NotLoaded(UnknownModel):
    """`available`: steps of that hero that are loaded."""


class Ambiguous(OracleTrouble):
    """Several branches have a checkpoint of that step; the text names them."""

    status, kind, code = 409, "invalid_request_error", "ambiguous_step"


class UnfitCheckpoint(OracleTrouble):
    """Damaged, or not what it belongs to; the text names the file or the weights."""

    status, kind, code = 409, "invalid_request_error", "damaged_checkpoint"


class NoRoom(OracleTrouble):
    status, kind, code = 507, "server_error", "no_room"


class Stopping(OracleTrouble):
    status, kind, code = 503, "server_error", "stopping"
