"""One who watches: its place in the events and the steps, and how it catches up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from watchtower.pool import Pool
from watchtower.view import View

Send = Callable[[str], Awaitable[None]]


class Spectator:
    """Sends to one client, in this order: events, then a fresh snapshot if the scene changed, else the newest tick.

    While `send` waits for a slow client nothing is queued for it.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self._wake_up = asyncio.Event()
        self._seq = 0
        self._scene = 0
        self._count = 0

    def wake(self) -> None:
        self._wake_up.set()

    async def watch(self, pool: Pool, since: int | None) -> None:
        """Runs until it is cancelled. `since` is the newest event that the client has; None is a client with none."""
        await pool.reach(since or 0)
        shown = await self._send_snapshot(pool, with_events=since is None)
        # An event number of another, older world may be larger than any here.
        self._seq = shown.seq if since is None else min(since, shown.seq)
        await self._send_events(pool)
        while True:
            await self._catch_up(pool)
            await self._wake_up.wait()
            self._wake_up.clear()

    async def _catch_up(self, pool: Pool) -> None:
        if not pool.remembers(self._seq):
            await self._send_snapshot(pool, with_events=False)
        await self._send_events(pool)
        view = pool.view
        if view.scene != self._scene or view.count - self._count > len(view.tail):
            await self._send_snapshot(pool, with_events=False)
            return
        text = pool.tick(self._count)
        self._count = view.count
        await self._send(text)

    async def _send_events(self, pool: Pool) -> None:
        async for seq, text in pool.events_after(self._seq):
            await self._send(text)
            self._seq = seq

    async def _send_snapshot(self, pool: Pool, *, with_events: bool) -> View:
        shown, text = await pool.snapshot(with_events=with_events)
        self._scene, self._count = shown.scene, shown.count
        await self._send(text)
        return shown
