"""The scrying pool: one follower for all who watch, and what it hands out.

The follower runs only while somebody watches. It takes a look about ten times a second, at the database four times or
when the realm's bell rings, and wakes every spectator if there is news. Each message is encoded once. A spectator
keeps no queue: it holds its place in the events and in the steps, and catches up from here at its own pace, so a slow
one costs no memory and skips to the newest tick.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator
from typing import Any, Protocol

import orjson
from channels.db import database_sync_to_async

from realm.bell import Ear
from realm.world import World
from watchtower import selectors, snapshot, view
from watchtower.view import View

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.1
DATABASE_SECONDS = 0.25
HEARTBEAT_SECONDS = 2.0
RECENT_EVENTS = 512
_REPLAY_BATCH = 200


class Watcher(Protocol):
    """Whoever is told that there is news; it must not wait here."""

    def wake(self) -> None: ...


class Pool:
    def __init__(self, world: World, hero: str) -> None:
        self.world = world
        self.hero = hero
        self._watchers: set[Watcher] = set()
        self._view: View | None = None
        self._opening = asyncio.Lock()
        self._follower: asyncio.Task[None] | None = None
        self._database_looked = asyncio.Event()
        self._ear = Ear()
        self._recent: deque[tuple[int, str]] = deque(maxlen=RECENT_EVENTS)
        self._recent_after = 0
        self._snapshots: tuple[View, str, str] | None = None
        self._snapshot_making = asyncio.Lock()
        self._tick_of: View | None = None
        self._tick_start = b""
        self._tick_texts: dict[int, str] = {}

    @property
    def view(self) -> View:
        if self._view is None:
            raise RuntimeError("nobody has joined the pool yet")
        return self._view

    @property
    def empty(self) -> bool:
        return not self._watchers

    async def join(self, watcher: Watcher) -> None:
        """From now on `watcher` is rung; on return `view` is there."""
        self._watchers.add(watcher)
        try:
            async with self._opening:
                if self._follower is None:
                    await self._open()
        except BaseException:
            self._watchers.discard(watcher)
            raise

    async def _open(self) -> None:
        self._view = await database_sync_to_async(view.first_look)(self.world, self.hero)
        self._recent.clear()
        self._recent_after = self._view.seq
        self._ear.open()
        self._follower = asyncio.create_task(self._follow(self._view))

    async def leave(self, watcher: Watcher) -> None:
        self._watchers.discard(watcher)
        follower = self._follower
        if self.empty and follower is not None:
            self._follower = None
            follower.cancel()
            await asyncio.gather(follower, return_exceptions=True)
            await self._ear.close()

    async def _follow(self, seen: View) -> None:
        clock = asyncio.get_running_loop().time
        asked = told = clock()
        look_again = database_sync_to_async(view.look_again)
        while True:
            rung = await self._ear.wait(LOOK_SECONDS)
            now = clock()
            ask = rung or now - asked >= DATABASE_SECONDS
            try:
                after = await look_again(self.world, self.hero, seen, ask_database=ask)
                hero = view.hero_of(after.events, self.hero)
                if hero != self.hero:
                    after = await database_sync_to_async(view.of_another_hero)(self.world, hero, after)
                    self.hero = hero
            except Exception:
                # A locked database or a folder that is being moved is no reason to stop watching.
                logger.exception("a look at the running battle failed; the next one comes in %s s", HEARTBEAT_SECONDS)
                await asyncio.sleep(HEARTBEAT_SECONDS)
                continue
            news = after.tells_more_than(seen)
            seen = after
            self._take_in(after)
            if ask:
                asked = now
                self._database_looked.set()
                self._database_looked = asyncio.Event()
            if news or now - told >= HEARTBEAT_SECONDS:
                told = now
                for watcher in self._watchers:
                    watcher.wake()

    async def reach(self, seq: int) -> None:
        """Wait until the view holds entry `seq`, or the database was asked since and there is none.

        A page may know an entry that was told after the last look. The look that is under way may have begun before
        it, the one after that has not.
        """
        for _ in range(2):
            if self.view.seq >= seq:
                return
            await self._database_looked.wait()

    def _take_in(self, after: View) -> None:
        for event in after.events:
            if len(self._recent) == RECENT_EVENTS:
                self._recent_after = self._recent[0][0]
            self._recent.append((event["seq"], _encode(event)))
        self._view = after

    async def events_after(self, seq: int) -> AsyncIterator[tuple[int, str]]:
        """(seq, message) of every entry after `seq` up to the view's, in order, each once.

        What is too long ago comes from the database; what was deleted there is named by a `gap` message, whose seq is
        the last one missed.
        """
        until = self.view.seq
        while seq < min(until, self._recent_after):
            oldest = await database_sync_to_async(selectors.oldest_seq)()
            if oldest is not None and oldest > seq + 1:
                yield oldest - 1, _encode({"v": 1, "type": "gap", "from": seq + 1, "to": oldest - 1})
                seq = oldest - 1
            batch = await database_sync_to_async(selectors.events_between)(seq, until, most=_REPLAY_BATCH)
            for event in batch:
                seq = event["seq"]
                yield seq, _encode(event)
            if not batch:
                break
        for number, text in list(self._recent):
            if seq < number <= until:
                seq = number
                yield number, text

    def remembers(self, seq: int) -> bool:
        """Whether the events after `seq` are still at hand without asking the database."""
        return seq >= self._recent_after

    async def snapshot(self, *, with_events: bool) -> tuple[View, str]:
        """The snapshot message and the view it shows; made once for all who ask during one view."""
        async with self._snapshot_making:
            seen = self.view
            if self._snapshots is None or self._snapshots[0] is not seen:
                message = await database_sync_to_async(snapshot.snapshot_of)(self.world, seen)
                self._snapshots = (seen, _encode(message), _encode(message | {"events": []}))
            _, whole, bare = self._snapshots
            return seen, whole if with_events else bare

    def tick(self, count: int) -> str:
        """The newest tick for one who has drawn the first `count` steps; they must reach into the view's tail."""
        seen = self.view
        if self._tick_of is not seen:
            self._tick_of = seen
            self._tick_start = orjson.dumps(snapshot.tick_of(seen))[:-1]
            self._tick_texts = {}
        if count not in self._tick_texts:
            new = seen.tail[len(seen.tail) - (seen.count - count) :] if count < seen.count else seen.tail[:0]
            points, beside = orjson.dumps(snapshot.points_part(new)), orjson.dumps(snapshot.beside_points(new))
            self._tick_texts[count] = (
                self._tick_start + b',"points":' + points + b',"course":' + beside + b"}"
            ).decode()
        return self._tick_texts[count]


def _encode(message: dict[str, Any]) -> str:
    return orjson.dumps(message).decode()


_pools: dict[tuple[int, World, str], Pool] = {}


async def join(world: World, hero: str, watcher: Watcher) -> Pool:
    """Join this process's pool of the hero, opening it if nobody else watches."""
    key = (id(asyncio.get_running_loop()), world, hero)
    pool = _pools.setdefault(key, Pool(world, hero))
    await pool.join(watcher)
    return pool


async def leave(pool: Pool, watcher: Watcher) -> None:
    """Leave; the last one to go closes the pool."""
    await pool.leave(watcher)
    if pool.empty:
        for key in [key for key, value in _pools.items() if value is pool]:
            del _pools[key]
