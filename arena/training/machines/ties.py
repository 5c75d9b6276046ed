"""The connection between two machines that train one hero together: who knows the key, and whether both still answer.

It carries JSON alone, over `multiprocessing.connection`, both of whose ends prove that they hold the world's key.
"""

from __future__ import annotations

import json
import secrets
import socket
import struct
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection, answer_challenge, deliver_challenge
from pathlib import Path
from typing import Any

from realm.disk import durable
from realm.world import World

KEY_FILE = "nodes.key"
BEAT_SECONDS = 2.0
SILENT_SECONDS = 15.0
"""After which a machine counts as lost; its player is told within a minute."""
ANSWER_SECONDS = 5.0
"""At most, for each word of a stranger."""
LONGEST_LOOK_SECONDS = 5.0
"""At most this much of the time between two looks counts as silence: who was itself stopped did not hear."""
_BEAT = {"beat": True}


class Broken(Exception):
    """The other end hung up, spoke rubbish or does not hold the key."""


def key_of(world: World) -> bytes:
    """By which machines know that they belong to one world; made when it is first asked for. Raises OSError."""
    path = world.secrets / KEY_FILE
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        durable.write_bytes(path, secrets.token_hex(32).encode(), mode=0o600)
    return path.read_bytes().strip()


class Tie:
    """To one other machine. Beats are sent and heard by threads of their own, once `keep` was called; until then each
    word is waited for ANSWER_SECONDS at most."""

    def __init__(self, connection: Connection, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._connection, self._clock = connection, clock
        self._sending = threading.Lock()
        self._heard = 0
        self._seen = 0
        self._looked_at = clock()
        self._silent_seconds = 0.0
        self._closed = threading.Event()

    def say(self, **words: Any) -> None:
        """Raises Broken."""
        try:
            with self._sending:
                self._connection.send_bytes(json.dumps(words).encode())
        except (OSError, ValueError) as error:
            raise Broken(str(error)) from error

    def hear(self) -> dict[str, Any]:
        """What the other end says next, beats left out. Raises Broken."""
        while True:
            try:
                said = json.loads(self._connection.recv_bytes(2**16))
            except (OSError, EOFError, ValueError) as error:
                raise Broken(str(error) or "hung up") from error
            self._heard += 1
            if not isinstance(said, dict):
                raise Broken("spoke rubbish")
            if said != _BEAT:
                return said

    def keep(self, on_word: Callable[[dict[str, Any]], None] = lambda said: None) -> None:
        """Send beats from now on, and hear what comes, however long it takes."""
        _unhurried(self._connection)
        for work in (self._beat, lambda: self._listen(on_word)):
            threading.Thread(target=work, daemon=True).start()

    def silence(self) -> str:
        """Why the other machine counts as lost; empty while it answers. To be asked every second or so."""
        if self._closed.is_set():
            return "has hung up"
        now = self._clock()
        passed, self._looked_at = min(now - self._looked_at, LONGEST_LOOK_SECONDS), now
        heard = self._heard
        self._silent_seconds = 0.0 if heard != self._seen else self._silent_seconds + passed
        self._seen = heard
        return f"has not been heard for {self._silent_seconds:.0f} s" if self._silent_seconds >= SILENT_SECONDS else ""

    def close(self) -> None:
        self._closed.set()
        self._connection.close()

    def _beat(self) -> None:
        while not self._closed.wait(BEAT_SECONDS):
            try:
                self.say(**_BEAT)
            except Broken:
                return

    def _listen(self, on_word: Callable[[dict[str, Any]], None]) -> None:
        while not self._closed.is_set():
            try:
                on_word(self.hear())
            except Broken:
                self._closed.set()


def tied(sock: socket.socket, key: bytes, *, asks_first: bool) -> Tie:
    """Over a connected socket, which is taken over, once both ends have proved the key. Raises Broken."""
    sock.settimeout(None)  # as the kernel's own timeouts, which a Connection heeds
    for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        sock.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", int(ANSWER_SECONDS), 0))
    connection = Connection(sock.detach())
    proofs = (deliver_challenge, answer_challenge)
    try:
        for prove in proofs if asks_first else reversed(proofs):
            prove(connection, key)
    except Exception as error:  # AuthenticationError, EOFError, OSError, and what rubbish makes of them
        connection.close()
        raise Broken(f"does not hold the key of this world ({Path(KEY_FILE).name})") from error
    return Tie(connection)


def _unhurried(connection: Connection) -> None:
    """A known machine may be silent, as one whose network is gone: `silence` judges that."""
    sock = socket.socket(fileno=connection.fileno())
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, 0))
    finally:
        sock.detach()
