"""Many who watch a battle, in one light process: sockets, streams, and some that stop reading.

python -m tests.campaigns.crowd PORT --sockets 200 --streams 200 --stalled 20
It prints a line when all are connected, watches until its standard input ends, and prints what it saw as JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import socket
import struct
import sys
import time
from dataclasses import asdict, dataclass

_TOLD_AT = re.compile(rb'"t":([0-9.]+),|"time":([0-9.]+),"steps_per_second"')
_HANDSHAKE = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
_KEY = "AAAAAAAAAAAAAAAAAAAAAA=="
_PING, _PONG = 0x9, 0x8A
_AT_ONCE = 25
_SMALL_BYTES = 4096


@dataclass(frozen=True, kw_only=True)
class Seen:
    watching: int
    """Who reads, at the end."""
    cut: int
    """Readers whose connection ended before."""
    delays: list[float]
    """Seconds from a step's end to its being read, once a reader and step, sorted."""
    seconds: float


class Watcher(asyncio.Protocol):
    """`path` is a stream's, or None for the socket."""

    def __init__(self, port: int, path: str | None, delays: list[float], *, stalls: bool) -> None:
        self._port, self._path, self._delays, self._stalls = port, path, delays, stalls
        self._newest = time.time()
        self._buffer = b""
        self.is_cut = False
        self.began = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        upgrade = "" if self._path else _HANDSHAKE.format(key=_KEY)
        path = self._path or "/ws/battle/"
        transport.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\n{upgrade}\r\n".encode())

    def data_received(self, data: bytes) -> None:
        self.began.set()
        if self._stalls:
            self._transport.pause_reading()
            return
        now = time.time()
        for match in _TOLD_AT.finditer(data):
            told = float(match[1] or match[2])
            if told > self._newest:
                self._newest = told
                self._delays.append(now - told)
        if self._path is None:
            self._answer_pings(data)

    def _answer_pings(self, data: bytes) -> None:
        """A server's frames are not masked: two bytes, a longer length, the payload."""
        self._buffer += data
        if self._buffer.startswith(b"HTTP/"):
            _, end, rest = self._buffer.partition(b"\r\n\r\n")
            if not end:
                return
            self._buffer = rest
        while len(self._buffer) >= 2:
            length, start = self._buffer[1], 2
            if length == 126 and len(self._buffer) >= 4:
                length, start = struct.unpack_from(">H", self._buffer, 2)[0], 4
            elif length == 127 and len(self._buffer) >= 10:
                length, start = struct.unpack_from(">Q", self._buffer, 2)[0], 10
            if len(self._buffer) < start + length or (length in (126, 127) and start == 2):
                return
            if self._buffer[0] & 0xF == _PING:
                payload = self._buffer[start : start + length]
                self._transport.write(bytes((_PONG, 0x80 | length)) + b"\0\0\0\0" + payload)
            self._buffer = self._buffer[start + length :]

    def connection_lost(self, error: Exception | None) -> None:
        self.is_cut = True
        self.began.set()

    def end(self) -> None:
        self._transport.abort()


async def watch(port: int, *, sockets: int, streams: int, stalled: int, battle: str) -> Seen:
    delays: list[float] = []
    path = f"/api/training/stream/{battle}"
    wanted = [(None, False)] * sockets + [(path, False)] * streams
    wanted += [(None if number % 2 else f"{path}?since=0", True) for number in range(stalled)]
    everybody: list[Watcher] = []
    for start in range(0, len(wanted), _AT_ONCE):
        everybody += await asyncio.gather(*(_connect(port, *each, delays) for each in wanted[start : start + _AT_ONCE]))
    print("ready", flush=True)
    delays.clear()
    begun = time.monotonic()
    await asyncio.to_thread(sys.stdin.read)
    seconds = time.monotonic() - begun
    readers = everybody[: sockets + streams]
    seen = Seen(
        watching=sum(not each.is_cut for each in readers),
        cut=sum(each.is_cut for each in readers),
        delays=sorted(delays),
        seconds=seconds,
    )
    for each in everybody:
        each.end()
    return seen


async def _connect(port: int, path: str | None, stalls: bool, delays: list[float]) -> Watcher:
    watcher = Watcher(port, path, delays, stalls=stalls)
    connection = socket.socket()
    if stalls:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL_BYTES)
    connection.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(connection, ("127.0.0.1", port))
    await loop.create_connection(lambda: watcher, sock=connection)
    await watcher.began.wait()
    return watcher


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    for name in ("sockets", "streams", "stalled"):
        parser.add_argument(f"--{name}", type=int, default=0)
    parser.add_argument("--battle", default="b1")
    arguments = vars(parser.parse_args())
    print(json.dumps(asdict(asyncio.run(watch(arguments.pop("port"), **arguments)))))


if __name__ == "__main__":
    main()
