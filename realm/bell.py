"""A bell that every process of a world's pages hears, over Redis where the settings name a server.

It carries no data and may be lost: who hears it looks sooner, and who does not looks a quarter of a second later.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from contextlib import suppress

from asgiref.sync import async_to_sync
from channels.layers import BaseChannelLayer, get_channel_layer
from django.conf import settings
from django.db import transaction

log = logging.getLogger(__name__)

GROUP = "news"
RETRY_SECONDS = 2.0
JOIN_AGAIN_SECONDS = 60.0
"""A server that was emptied has forgotten who listens."""


def ring_on_commit() -> None:
    """After the transaction under way; returns at once. Without Redis there is nobody to ring."""
    if settings.REALM.redis_url:
        transaction.on_commit(_RINGER.ring)


class _Ringer:
    """Rings from a thread of its own, so that nobody waits for a server that does not answer."""

    def __init__(self) -> None:
        self._wanted = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def ring(self) -> None:
        self._wanted.set()
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="bell", daemon=True)
                self._thread.start()

    def _serve(self) -> None:
        answers = True
        while True:
            self._wanted.wait()
            self._wanted.clear()
            try:
                async_to_sync(_send)()
                answers = True
            except Exception as error:  # whatever a driver raises: the bell is a convenience
                if answers:
                    log.warning("Redis does not answer, pages look by themselves: %s", error)
                answers = False


async def _send() -> None:
    await _layer().group_send(GROUP, {"type": "news"})


def _layer() -> BaseChannelLayer:
    layer = get_channel_layer()
    assert layer is not None
    return layer


_RINGER = _Ringer()


class Ear:
    """Hears the bell within one event loop, from `open` to `close`."""

    def __init__(self) -> None:
        self._heard = asyncio.Event()
        self._listening: asyncio.Task[None] | None = None

    def open(self) -> None:
        if settings.REALM.redis_url:
            self._listening = asyncio.create_task(self._listen())

    async def close(self) -> None:
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
            self._listening = None

    async def wait(self, seconds: float) -> bool:
        """Whether the bell rang since the last call, or within so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                await self._heard.wait()
        except TimeoutError:
            return False
        self._heard.clear()
        return True

    async def _listen(self) -> None:
        layer = _layer()
        channel = await layer.new_channel()
        answers = True
        while True:
            try:
                await self._hear(layer, channel)
                answers = True
            except Exception as error:  # whatever a driver raises: the bell is a convenience
                if answers:
                    log.warning("Redis does not answer, pages look by themselves: %s", error)
                answers = False
                await asyncio.sleep(RETRY_SECONDS)

    async def _hear(self, layer: BaseChannelLayer, channel: str) -> None:
        """For a while. Raises what the driver raises."""
        await layer.group_add(GROUP, channel)
        with suppress(TimeoutError):
            async with asyncio.timeout(JOIN_AGAIN_SECONDS):
                while True:
                    await layer.receive(channel)
                    self._heard.set()
