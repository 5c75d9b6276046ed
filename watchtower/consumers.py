"""`/ws/battle/`: the live battle for one browser."""

from __future__ import annotations

import asyncio
import logging
from typing import Any
from urllib.parse import parse_qs

from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings

from realm import strict
from watchtower import pool
from watchtower.pool import Pool
from watchtower.spectator import Spectator

logger = logging.getLogger(__name__)

BAD_SINCE = 4400
BROKEN = 1011
_LARGEST_SEQ = 2**63 - 1


class BattleConsumer(AsyncWebsocketConsumer):
    """Only speaks: a snapshot, then events and ticks. What the browser says is ignored."""

    _pool: Pool | None = None
    _watching: asyncio.Task[None] | None = None
    _spectator: Spectator

    async def connect(self) -> None:
        await self.accept()
        try:
            since = parse_since(self.scope["query_string"])
        except ValueError:
            await self.close(code=BAD_SINCE)
            return
        self._spectator = Spectator(self._say)
        self._pool = await pool.join(settings.WORLD, settings.REALM.hero, self._spectator)
        self._watching = asyncio.create_task(self._watch(self._pool, since))

    async def disconnect(self, code: int) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        if self._pool is not None:
            await pool.leave(self._pool, self._spectator)

    async def receive(self, *args: Any, **kwargs: Any) -> None:
        """Nothing a browser sends here has a meaning; orders go through the pages' POST endpoints."""

    async def _say(self, text: str) -> None:
        await self.send(text_data=text)

    async def _watch(self, joined: Pool, since: int | None) -> None:
        try:
            await self._spectator.watch(joined, since)
        except Exception:
            logger.exception("a spectator's connection is closed; the browser comes back with its last seq")
            await self.close(code=BROKEN)


def parse_since(query: bytes) -> int | None:
    """`since` of the query, None if it is not given. Raises ValueError unless it is one whole number from 0 up."""
    values = parse_qs(query.decode("ascii"), keep_blank_values=True, max_num_fields=20).get("since", [])
    if not values:
        return None
    (text,) = values
    since = strict.whole_number(text, most=_LARGEST_SEQ)
    if since is None:
        raise ValueError(f"since: a whole number from 0 up is expected, not {text[:40]!r}")
    return since
