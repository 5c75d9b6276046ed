"""What who asked the oracle is sent: the whole answer, or a line for each piece of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import orjson
from django.http import StreamingHttpResponse

from realm.hosts import Host, UnknownHost
from realm.oracle.errors import Ambiguous, Damaged, HostDown, HostTrouble, NoRoom, NotLoaded, TooLong, WrongModel
from realm.oracle.wire import LoadedModel
from realm.strict import BadConfig
from tavern.json_or_form import BadOrder
from tavern.oracle.asking import Answering, Told
from tavern.oracle.history import AnotherQuestion

STATUS: dict[type[Exception], int] = {
    BadOrder: 400, AnotherQuestion: 409, UnknownHost: 404, BadConfig: 500, NotLoaded: 404, Damaged: 409, Ambiguous: 409,
    NoRoom: 507, HostDown: 503, TooLong: 400, HostTrouble: 502,
}  # fmt: skip
TROUBLES = tuple(STATUS)


def streamed(answering: Answering) -> StreamingHttpResponse:
    async def lines() -> AsyncIterator[bytes]:
        said: list[str] = []
        async with aclosing(answering.pieces) as pieces:
            yield _line(who(answering.host, answering.model) | {"earlier_turns": answering.read.turns})
            try:
                async for piece in pieces:
                    if isinstance(piece, str):
                        said.append(piece)
                        yield _line({"text": piece})
                    else:
                        yield _line(reply(answering, "".join(said), piece))
            except TROUBLES as trouble:
                yield _line(failure(trouble) | {"thrown_away": isinstance(trouble, WrongModel)})

    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return StreamingHttpResponse(lines(), content_type="application/x-ndjson", headers=headers)


def _line(value: dict[str, Any]) -> bytes:
    return orjson.dumps(value) + b"\n"


def who(host: Host, model: LoadedModel) -> dict[str, Any]:
    return {
        "success": True,
        "model": model.id,
        "model_path": model.model_path,
        "hero": model.hero,
        "step": model.step,
        "host": host.id,
        "sha256": model.sha256,
    }


def reply(answering: Answering, text: str, told: Told) -> dict[str, Any]:
    ending = told.ending
    seconds, tokens = ending.seconds, ending.answer_tokens
    return who(answering.host, answering.model) | {
        "response": text,
        "finish_reason": ending.finish_reason,
        "prompt_tokens": ending.prompt_tokens,
        "tokens": tokens,
        "seconds": round(seconds, 3),
        "tokens_per_second": round(tokens / seconds, 1) if tokens and seconds > 0 else None,
        "earlier_turns": told.read.turns,
        "forgotten": told.read.forgotten,
        "conversation": answering.order.conversation,
    }


def failure(trouble: Exception) -> dict[str, Any]:
    return {"success": False, "error": str(trouble)}
