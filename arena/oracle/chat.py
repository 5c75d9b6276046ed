"""What `/v1/chat/completions` tells, as OpenAI documents it, and which weights it is from."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from arena.oracle.rows import Row

if TYPE_CHECKING:
    from arena.oracle.loading import LoadedModel

DONE = b"data: [DONE]\n\n"


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
    return {
        "hero": model.hero,
        "step": model.step,
        "name": model.name,
        "model_path": model.model_path,
        "sha256": model.sha256,
    }


def usage(row: Row) -> dict[str, int]:
    asked, written = len(row.prompt_ids), len(row.ids)
    return {"prompt_tokens": asked, "completion_tokens": written, "total_tokens": asked + written}


def event(value: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"
