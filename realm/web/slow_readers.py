"""A client that does not read holds up its own answer, and takes no memory.

daphne hands every message on to Twisted, which keeps in memory what the network does not take, without a bound. From
now on whoever sends waits where much is kept already, as under uvicorn; so the sender falls behind and may skip.
"""

from __future__ import annotations

import asyncio
from typing import Any

from daphne import server  # type: ignore[import-untyped]

MOST_KEPT_BYTES = 256 * 1024
"""Beyond which the next message waits; one message may be larger."""
_LOOK_SECONDS = 0.05


def kept_bytes(transport: Any) -> int:
    """What Twisted holds for a network that is still there, in two places, of neither of which it tells."""
    if not getattr(transport, "connected", False):
        return 0
    held = len(getattr(transport, "dataBuffer", b"")) - getattr(transport, "offset", 0)
    return held + int(getattr(transport, "_tempDataLen", 0))


def wait_for() -> None:
    """From now on, for every message of every connection of daphne's; it has no setting for it."""
    handle_reply = server.Server.handle_reply

    async def patient(self: Any, protocol: Any, message: Any) -> None:
        while kept_bytes(_transport_of(protocol)) > MOST_KEPT_BYTES:
            await asyncio.sleep(_LOOK_SECONDS)
        await handle_reply(self, protocol, message)

    server.Server.handle_reply = patient


def _transport_of(protocol: Any) -> Any:
    """Of a websocket, or of a request; None once its connection is gone."""
    return getattr(getattr(protocol, "channel", protocol), "transport", None)
