"""One who listens to a stream, in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

from realm.web.streaming import Body
from tests.support.sse_events import Heard, parsed
from watchtower.streams.feed import watch


@asynccontextmanager
async def listener(source: Any, place: Any) -> AsyncIterator[Body]:
    async with aclosing(watch(source, place)) as body:
        yield body


async def until(body: Body, wanted: Callable[[list[Heard]], bool]) -> list[Heard]:
    """All events up to the part of the body at which it is enough."""
    heard: list[Heard] = []
    async for part in body:
        heard += parsed(part.decode())
        if wanted(heard):
            return heard
    return heard
