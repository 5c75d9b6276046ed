"""One who listens to a stream: its events, parsed as the standard says."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from realm.web.streaming import Body
from watchtower.streams.feed import watch


@dataclass(frozen=True)
class Heard:
    name: str
    id: str
    data: dict[str, Any]


def parsed(text: str) -> list[Heard]:
    """The whole events of it."""
    return [_event(block) for block in text.split("\n\n")[:-1] if block.startswith("event:")]


def _event(block: str) -> Heard:
    fields = dict(line.split(": ", 1) for line in block.split("\n"))
    return Heard(fields["event"], fields["id"], json.loads(fields["data"]))


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


def steps_of(heard: Iterable[Heard]) -> list[int]:
    return [point[0] for event in heard if event.name == "progress" for point in event.data["points"]]


def seqs_of(heard: Iterable[Heard]) -> list[int]:
    return [event.data["seq"] for event in heard if "seq" in event.data]
