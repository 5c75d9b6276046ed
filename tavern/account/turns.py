"""Guesses at a password are looked at a few at a time: each takes 100 MB and all cores, whoever makes it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

from realm.web.guard import Message, Send

AT_ONCE = 2
ONES_SHARE = 3
"""Of one address, those that are looked at and those that wait."""
MOST_WAITING = 50


class TooMany(Exception):
    """Others are before it."""


class Turns:
    def __init__(self) -> None:
        self._free = asyncio.Semaphore(AT_ONCE)
        self._here: Counter[str] = Counter()

    @asynccontextmanager
    async def turn(self, address: str, send: Send) -> AsyncIterator[Send]:
        """What to answer by; from its first message on it is another's turn, however slowly the answer is read.

        Raises TooMany.
        """
        if self._here.get(address, 0) >= ONES_SHARE or self._here.total() >= AT_ONCE + MOST_WAITING:
            raise TooMany
        self._here[address] += 1
        try:
            await self._free.acquire()
            with ExitStack() as held:
                held.callback(self._free.release)

                async def answer(message: Message) -> None:
                    held.close()
                    await send(message)

                yield answer
        finally:
            self._here[address] -= 1
            if not self._here[address]:
                del self._here[address]
