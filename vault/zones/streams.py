"""Bytes from and to a branch officer over one connection that is kept, as fast as the socket gives them. No Django.

httpx copies each piece twice on its way; here they are received into the chunk that is hashed and written, and sent by
the kernel from the file.
"""

from __future__ import annotations

import os
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from realm.web.forbidden_addresses import is_forbidden
from realm.web.outbound import CONNECT_SECONDS
from vault.assets.members import Writer
from vault.assets.pace import SILENT_SECONDS, Pace
from vault.assets.partial import Gap
from vault.errors import Damaged, Refused, Unreachable
from vault.officer import wire
from vault.zones.client import ZoneClient

_SEND_BYTES = 2**20
_ENCRYPTED_BYTES = 2**14


class Stream:
    """Use in a `with`; methods raise Unreachable, and what the zone's refusals mean."""

    def __init__(self, client: ZoneClient) -> None:
        self._client = client
        self._connection: HTTPConnection | None = None
        self._response: HTTPResponse | None = None
        """The last one, which outlives a connection that the zone ends."""

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *ignored: object) -> None:
        self._drop()

    def receive(self, asset_id: str, gap: Gap, sha256: str, writer: Writer, told: Callable[[int], None]) -> None:
        """The bytes of a gap into `writer`; `told` hears how many came at once. What the writer raises is raised."""
        with self._unless_broken():
            response = self._ask(
                "GET",
                wire.path_of(asset_id, gap.path),
                {"Range": f"bytes={gap.start}-{gap.end - 1}", "If-Range": f'"{sha256}"'},
            )
            wanted = f"bytes {gap.start}-{gap.end - 1}/"
            if response.status != 206 or not response.getheader("Content-Range", "").startswith(wanted):
                self._drop()
                raise Refused(
                    f"zone {self._client.zone} has another {gap.path} by now, or sends other bytes than asked"
                )
            if response.chunked or response.length != gap.end - gap.start or response.fp is None:
                self._drop()
                raise Unreachable(f"zone {self._client.zone} answers rubbish: another length than it says")
            self._fill(response.fp, gap.end - gap.start, writer, told)
            response.close()  # which leaves the connection open

    def send(self, upload: str, sender: str, file: Path, gap: Gap, told: Callable[[int], None]) -> None:
        """The bytes of a gap of `file`."""
        path = wire.upload_path(upload, gap.path)
        head = {
            wire.OFFSET_HEADER: str(gap.start),
            wire.SENDER_HEADER: sender,
            "Content-Length": str(gap.end - gap.start),
        }
        with self._unless_broken(), file.open("rb") as source:
            connection = self._connected()
            self._begin(connection, "PATCH", path, head)
            with suppress(BrokenPipeError, ConnectionResetError):  # it has answered already, perhaps
                _send_span(connection.sock, source, gap, told)
            connected, response = connection.sock, self._answered(connection)
            with _in_time(connected, SILENT_SECONDS):
                response.read(wire.LARGEST_REPLY_BYTES)
            if not response.isclosed():
                self._drop()

    def _fill(self, body: BufferedReader, count: int, writer: Writer, told: Callable[[int], None]) -> None:
        pace = Pace(SILENT_SECONDS)
        while count:
            writer.next_chunk()
            room = writer.room
            got = body.readinto1(room[: min(len(room), count)])
            if not got:
                raise Unreachable(f"zone {self._client.zone} broke off in mid-file")
            count -= got
            pace.moved(got)
            told(got)
            writer.filled(got)

    def _ask(self, method: str, path: str, headers: dict[str, str]) -> HTTPResponse:
        connection = self._connected()
        self._begin(connection, method, path, headers)
        return self._answered(connection)

    def _begin(self, connection: HTTPConnection, method: str, path: str, headers: dict[str, str]) -> None:
        above = urlsplit(self._client.url).path.rstrip("/")
        connection.putrequest(method, above + path, skip_accept_encoding=True)
        for name, value in (self._client.headers | {"Accept-Encoding": "identity"} | headers).items():
            connection.putheader(name, value)
        connection.endheaders()

    def _answered(self, connection: HTTPConnection) -> HTTPResponse:
        """Its head came within the time; a refusal is raised."""
        with _in_time(connection.sock, SILENT_SECONDS):
            response = self._response = connection.getresponse()
            is_good = response.status in (200, 206)
            body = b"" if is_good or response.length == 0 else response.read1(wire.LARGEST_REPLY_BYTES)
        self._client.check_head(response.status, dict(response.getheaders()), body)
        return response

    def _connected(self) -> HTTPConnection:
        if self._connection is None or self._connection.sock is None:  # ended by the zone
            parts = urlsplit(self._client.url)
            kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
            connection = kind(parts.hostname or "", parts.port, timeout=CONNECT_SECONDS)
            connection.connect()
            if is_forbidden(connection.sock.getpeername()[0]):
                connection.close()
                raise Refused(f"zone {self._client.zone} is where no zone can be")
            connection.sock.settimeout(SILENT_SECONDS)
            self._connection = connection
        return self._connection

    @contextmanager
    def _unless_broken(self) -> Iterator[None]:
        """A connection on which anything went wrong is used no more."""
        try:
            yield
        except (OSError, HTTPException) as error:
            self._drop()
            if isinstance(error, OSError) and error.filename is not None:
                raise Damaged(f"{error.filename} cannot be read: {error.strerror}") from error
            why = "it says nothing" if isinstance(error, TimeoutError) else (str(error) or type(error).__name__)
            raise Unreachable(f"zone {self._client.zone} broke off: {why}") from error
        except BaseException:
            self._drop()
            raise

    def _drop(self) -> None:
        for each in (self._response, self._connection):
            if each is not None:
                each.close()
        self._response = self._connection = None


def _send_span(connected: socket.socket, source: BinaryIO, gap: Gap, told: Callable[[int], None]) -> None:
    """Raises Damaged, and TimeoutError where nothing is taken, or next to nothing."""
    room, pace, at = select.poll(), Pace(SILENT_SECONDS), gap.start
    room.register(connected, select.POLLOUT)
    send = _send_encrypted if isinstance(connected, ssl.SSLSocket) else _send_by_kernel
    while at < gap.end:
        if not room.poll(SILENT_SECONDS * 1000):
            raise TimeoutError
        try:
            sent = send(connected, source, at, min(_SEND_BYTES, gap.end - at))
        except BlockingIOError:
            continue
        if not sent:
            raise Damaged(f"{Path(source.name).name} became shorter while it was sent")
        at += sent
        pace.moved(sent)
        told(sent)


def _send_by_kernel(connected: socket.socket, source: BinaryIO, at: int, count: int) -> int:
    return os.sendfile(connected.fileno(), source.fileno(), at, count)


def _send_encrypted(connected: socket.socket, source: BinaryIO, at: int, count: int) -> int:
    """The kernel would send the bytes as they are, past the encryption."""
    return connected.send(os.pread(source.fileno(), min(count, _ENCRYPTED_BYTES), at))


@contextmanager
def _in_time(connected: socket.socket, seconds: float) -> Iterator[None]:
    """However busily it trickles. Raises TimeoutError."""
    is_late = threading.Event()

    def cut() -> None:
        is_late.set()
        with suppress(OSError):
            connected.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
    if is_late.is_set():
        raise TimeoutError
