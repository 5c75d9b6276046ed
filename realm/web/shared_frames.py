"""A message to many websockets becomes one frame, written as it is to each of them.

autobahn, under daphne, makes a frame anew for each client, which takes longer than all the rest of the sending. Frames
from a server are not masked, so that of one text is the same for all whose connection is not compressed.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Any

from daphne.ws_protocol import WebSocketProtocol  # type: ignore[import-untyped]

_WHOLE_TEXT = 0x81
_SHORT, _MEDIUM = 126, 1 << 16
_RECENT = 64


def share() -> None:
    """From now on, for every text that daphne sends; it has no setting for it."""
    server_send = WebSocketProtocol.serverSend

    def send(self: Any, content: Any, binary: bool = False) -> None:
        if binary or self.state != self.STATE_OPEN or self._perMessageCompress or self.send_queue:
            server_send(self, content, binary)
        else:
            self.transport.write(frame(content))

    WebSocketProtocol.serverSend = send


@lru_cache(maxsize=_RECENT)
def frame(text: str) -> bytes:
    """RFC 6455, 5.2: unmasked, in one piece."""
    payload = text.encode()
    length = len(payload)
    if length < _SHORT:
        head = struct.pack("!BB", _WHOLE_TEXT, length)
    elif length < _MEDIUM:
        head = struct.pack("!BBH", _WHOLE_TEXT, _SHORT, length)
    else:
        head = struct.pack("!BBQ", _WHOLE_TEXT, _SHORT + 1, length)
    return head + payload
