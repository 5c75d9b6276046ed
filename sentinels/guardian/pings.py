"""The socket on which services say that their loops go round; the kernel says which process spoke."""

from __future__ import annotations

import os
import socket
import struct
from contextlib import suppress
from pathlib import Path

_LARGEST_BYTES = 256
_CREDENTIALS = struct.Struct("3i")
MOST_AT_ONCE = 1000
"""Whoever floods the socket does not hold up the guardian."""


class Pings:
    def __init__(self, path: Path) -> None:
        """Raises OSError."""
        path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        # The name of a socket is short; that of a world may be long.
        folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._socket.bind(f"/proc/self/fd/{folder}/{path.name}")
        finally:
            os.close(folder)
        os.chmod(path, 0o600)

    def heard(self) -> set[int]:
        """The processes that spoke since this was asked last."""
        pids = set()
        with suppress(BlockingIOError):
            for _ in range(MOST_AT_ONCE):
                words, about, _, _ = self._socket.recvmsg(_LARGEST_BYTES, socket.CMSG_SPACE(_CREDENTIALS.size))
                if b"WATCHDOG=1" in words.split(b"\n"):
                    pids |= {_CREDENTIALS.unpack(data)[0] for _, kind, data in about if kind == socket.SCM_CREDENTIALS}
        return pids

    def close(self) -> None:
        self._socket.close()
