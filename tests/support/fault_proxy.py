"""A wire between a client and a server that cuts, slows, repeats and corrupts, at bytes that the test names."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

_PIECE_BYTES = 64 * 1024


@dataclass(kw_only=True)
class Faults:
    """What becomes of one connection; bytes are counted from its start, heads with them."""

    cut_down_at: int | None = None
    """After so many bytes from the server both ends are reset."""
    cut_up_at: int | None = None
    """After so many bytes from the client."""
    flip_down_at: int | None = None
    """The byte whose lowest bit is turned."""
    flip_up_at: int | None = None
    repeat_down_at: int | None = None
    """From there a piece comes twice."""
    pause_seconds: float = 0.0
    """Before each piece."""


@dataclass
class Wire:
    port: int
    connections: int = 0
    bytes_down: int = 0
    bytes_up: int = 0
    cuts: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def wire(
    host: str, port: int, faults_of: Callable[[int], Faults] = lambda number: Faults(), *, bind: str = "127.0.0.1"
) -> Iterator[Wire]:
    """`faults_of` gets the number of each connection, from 0 on."""
    listening = socket.create_server((bind, 0))
    told = Wire(listening.getsockname()[1])
    running: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def accept() -> None:
        while True:
            try:
                client, _ = listening.accept()
                server = socket.create_connection((host, port), timeout=10)
            except OSError:
                return
            server.settimeout(None)
            running.extend((client, server))
            faults = faults_of(told.connections)
            told.connections += 1
            for side in (_Side(client, server, faults, told, up=True), _Side(server, client, faults, told, up=False)):
                thread = threading.Thread(target=side.run, daemon=True)
                thread.start()
                threads.append(thread)

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield told
    finally:
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        accepting.join()
        for each in running:
            _end(each)
        for thread in threads:
            thread.join()
        for each in running:
            each.close()


class _Side:
    """One direction of a connection."""

    def __init__(self, source: socket.socket, sink: socket.socket, faults: Faults, told: Wire, *, up: bool) -> None:
        self._source, self._sink, self._told, self._up = source, sink, told, up
        self._cut_at = faults.cut_up_at if up else faults.cut_down_at
        self._flip_at = faults.flip_up_at if up else faults.flip_down_at
        self._repeat_at = None if up else faults.repeat_down_at
        self._pause_seconds = faults.pause_seconds
        self._at = 0

    def run(self) -> None:
        with suppress(OSError):
            while piece := self._source.recv(_PIECE_BYTES):
                if self._pause_seconds:
                    time.sleep(self._pause_seconds)
                if not self._pass_on(bytearray(piece)):
                    return
        for each in (self._source, self._sink):
            _end(each)

    def _pass_on(self, piece: bytearray) -> bool:
        if self._cut_at is not None and self._at + len(piece) > self._cut_at:
            self._send(piece[: self._cut_at - self._at])
            with self._told._lock:
                self._told.cuts += 1
            for each in (self._source, self._sink):
                _reset(each)
            return False
        if self._flip_at is not None and self._at <= self._flip_at < self._at + len(piece):
            piece[self._flip_at - self._at] ^= 1
        if self._repeat_at is not None and self._at <= self._repeat_at < self._at + len(piece):
            piece += piece[self._repeat_at - self._at :]
            self._repeat_at = None
        self._send(piece)
        return True

    def _send(self, piece: bytearray) -> None:
        self._at += len(piece)
        self._sink.sendall(piece)
        with self._told._lock:
            if self._up:
                self._told.bytes_up += len(piece)
            else:
                self._told.bytes_down += len(piece)


def _end(connected: socket.socket) -> None:
    with suppress(OSError):
        connected.shutdown(socket.SHUT_RDWR)


def _reset(connected: socket.socket) -> None:
    """So that whoever sends hears of it at once, and does not fill a buffer that nobody reads."""
    with suppress(OSError):
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    _end(connected)
    connected.close()
