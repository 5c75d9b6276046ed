"""A feed: one follower for all who watch the same source, and what it hands out.

The follower lives while somebody watches. It reads what is new, encodes it once and rings. A client keeps no queue: it
holds its place, and gets what came after it from the feed's last events, or, when it was away or slow, from the source.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from channels.db import database_sync_to_async

from vault.jobs.waiting import ENDING
from watchtower.streams import sse

log = logging.getLogger(__name__)

RECENT = 64
_REST_SECONDS = 2.0


class Place(Protocol):
    """What a client has; two that are equal have the same."""

    @property
    def is_end(self) -> bool:
        """Whether nothing will ever come after it."""


P = TypeVar("P", bound=Place)


@dataclass(frozen=True)
class Event(Generic[P]):
    place: P
    """Behind it."""
    encoded: bytes


class Source(Protocol[P]):
    """Read in threads, and by whoever was away."""

    @property
    def key(self) -> Hashable:
        """Two sources of the same key tell the same."""

    @property
    def look_seconds(self) -> float: ...

    def newest(self) -> P:
        """Where a follower begins."""

    def read(self, after: P, until: P | None) -> Sequence[Event[P]]:
        """Some of what came after the one place, at most up to the other; none where there is no more."""


class Feed(Generic[P]):
    def __init__(self, source: Source[P]) -> None:
        self.source = source
        self._bells: set[asyncio.Event] = set()
        self._recent: deque[tuple[P, Event[P]]] = deque(maxlen=RECENT)
        self._place: P | None = None
        self._opening = asyncio.Lock()
        self._follower: asyncio.Task[None] | None = None
        self.is_closed = False
        """Whether the process is told to end."""

    @property
    def empty(self) -> bool:
        return not self._bells

    async def join(self, bell: asyncio.Event) -> None:
        self._bells.add(bell)
        try:
            async with self._opening:
                if self._follower is None:
                    self._place = await database_sync_to_async(self.source.newest)()
                    self._follower = asyncio.create_task(self._follow())
        except BaseException:
            self._bells.discard(bell)
            raise

    async def leave(self, bell: asyncio.Event) -> None:
        self._bells.discard(bell)
        if self.empty and self._follower is not None:
            follower, self._follower = self._follower, None
            follower.cancel()
            await asyncio.gather(follower, return_exceptions=True)

    async def _follow(self) -> None:
        while not ENDING.is_set():
            try:
                await self._look()
            except Exception:
                # A locked database or a folder that is being moved is no reason to stop watching.
                log.exception("a look failed; the next one comes in %s s", _REST_SECONDS)
                await asyncio.sleep(_REST_SECONDS)
            await asyncio.sleep(self.source.look_seconds)
        self.is_closed = True
        self._ring()

    async def _look(self) -> None:
        assert self._place is not None
        if self._place.is_end:
            return
        read = await database_sync_to_async(self.source.read)(self._place, None)
        for event in read:
            self._recent.append((self._place, event))
            self._place = event.place
        if read:
            self._ring()

    def _ring(self) -> None:
        for bell in self._bells:
            bell.set()

    async def after(self, place: P) -> Sequence[Event[P]]:
        """What comes after `place`, up to where the follower is: from its last events if they go so far back."""
        if place == self._place:
            return ()
        for number in range(len(self._recent) - 1, -1, -1):
            if self._recent[number][0] == place:
                return [event for _, event in list(self._recent)[number:]]
        return await database_sync_to_async(self.source.read)(place, self._place)


_feeds: dict[Hashable, Feed[Any]] = {}


async def watch(source: Source[P], place: P) -> AsyncGenerator[bytes, None]:
    """What is sent to one client that has all up to `place`: until the end of the source, or of this process."""
    key = (id(asyncio.get_running_loop()), source.key)
    feed: Feed[P] = _feeds.setdefault(key, Feed(source))
    bell = asyncio.Event()
    try:
        await feed.join(bell)
        yield sse.BEGINNING
        while not (place.is_end or feed.is_closed):
            bell.clear()
            events = await feed.after(place)
            if events:
                place = events[-1].place
                yield b"".join(event.encoded for event in events)
            elif not await _rings(bell):
                yield sse.HEARTBEAT
    except Exception:
        log.exception("a stream ends; its client comes back with its last event's id")
    finally:
        await feed.leave(bell)
        if feed.empty and _feeds.get(key) is feed:
            del _feeds[key]


async def _rings(bell: asyncio.Event) -> bool:
    """False where nothing was heard for so long that the client is to be told that the stream lives."""
    try:
        async with asyncio.timeout(sse.HEARTBEAT_SECONDS):
            await bell.wait()
    except TimeoutError:
        return False
    return True
