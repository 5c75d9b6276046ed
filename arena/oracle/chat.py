"""What `/v1/chat/completions` is asked and tells, as OpenAI documents it, and which weights it is from."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from arena.oracle.rows import Row, Sampling
from arena.rows.model import Message
from realm.oracle.wire import ChatRequest, Witness

if TYPE_CHECKING:
    from arena.oracle.loading import LoadedModel

DONE = b"data: [DONE]\n\n"
LEAST_TEMPERATURE = 1e-3
"""Below it the likeliest token is drawn anyway, and dividing by it leaves the range of float32."""


@dataclass(frozen=True, kw_only=True)
class Completion:
    """One reply, whole or in pieces; everything that it says of the model is the model's own."""

    model: LoadedModel
    id: str = field(default_factory=lambda: f"chatcmpl-{secrets.token_hex(12)}")
    created: int = field(default_factory=lambda: int(time.time()))

    def whole(self, row: Row) -> dict[str, Any]:
        message = {"role": "assistant", "content": row.text, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": row.finish_reason}
        return self._told("chat.completion", [choice]) | {"usage": usage(row)}

    def opening(self) -> bytes:
        return self._piece({"role": "assistant", "content": ""})

    def piece(self, text: str) -> bytes:
        return self._piece({"content": text})

    def end(self, row: Row) -> bytes:
        return self._piece({}, finish_reason=row.finish_reason)

    def usage(self, row: Row) -> bytes:
        return event(self._told("chat.completion.chunk", []) | {"usage": usage(row)})

    def _piece(self, delta: dict[str, Any], *, finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return event(self._told("chat.completion.chunk", [choice]))

    def _told(self, kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
        told = {"id": self.id, "object": kind, "created": self.created, "model": self.model.id, "choices": choices}
        return told | {"system_fingerprint": self.model.sha256, "realm": witness(self.model)}


def witness(model: LoadedModel) -> dict[str, Any]:
    return Witness.model_validate(model).model_dump()


def conversation(request: ChatRequest) -> list[Message]:
    return [Message("system" if turn.role == "developer" else turn.role, turn.content) for turn in request.messages]


def sampling(request: ChatRequest) -> Sampling | None:
    """None: greedy. Temperature is 1 where none is given, as with OpenAI."""
    temperature = 1.0 if request.temperature is None else request.temperature
    if temperature < LEAST_TEMPERATURE:
        return None
    chosen: dict[str, Any] = {"temperature": temperature, "top_k": max(request.top_k or 0, 0)}
    if request.top_p is not None:
        chosen["top_p"] = request.top_p
    if request.seed is not None:
        chosen["seed"] = request.seed % 2**64
    return Sampling(**chosen)


def usage(row: Row) -> dict[str, int]:
    asked, written = len(row.prompt_ids), len(row.ids)
    return {"prompt_tokens": asked, "completion_tokens": written, "total_tokens": asked + written}


def event(value: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"
