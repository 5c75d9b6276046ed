"""Whether a server answers requests: one whose loop goes round may have no thread left that works.

Asked of `/livez`, for which nothing has to be looked up. Any answer will do, a refusal too.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

from realm.weaver.services import Service

ASK_SECONDS = 15.0
"""In which it may answer; a machine that is busy with other things is slow, too."""
EVERY_SECONDS, AGAIN_SECONDS = 30.0, 5.0
"""Between two questions, and after one that was not answered. Each is a line in the server's log."""
MOST_SILENCES = 3
"""In a row. They are counted rather than timed: a machine that slept meanwhile makes one of them at most."""


class Probe:
    """Of one service. `look` waits for nothing: a thread asks, of which there is one at most."""

    def __init__(self, service: Service, *, ask: Callable[[Service], bool] | None = None) -> None:
        self._service, self._ask = service, ask or answers
        self._pid: int | None = None
        self._silences = 0
        self._asked_at = -1e9
        self._asking: threading.Thread | None = None

    def look(self, now: float, pid: int) -> str:
        """Why that process, which says that it is well, counts as stuck; empty where it does not."""
        if pid != self._pid:
            self._pid, self._silences, self._asked_at = pid, 0, now
        pause = AGAIN_SECONDS if self._silences else EVERY_SECONDS
        if (self._asking is None or not self._asking.is_alive()) and now - self._asked_at >= pause:
            self._asked_at = now
            self._asking = threading.Thread(target=self._note, args=(pid,), daemon=True, name=f"probe {pid}")
            self._asking.start()
        silent = self._silences >= MOST_SILENCES
        return f"it answered none of the last {self._silences} requests" if silent else ""

    def _note(self, pid: int) -> None:
        answered = self._ask(self._service)
        if pid == self._pid:
            self._silences = 0 if answered else self._silences + 1


def answers(service: Service, *, seconds: float = ASK_SECONDS) -> bool:
    """Whether anything came back; of a service that answers on a port."""
    asked = f"GET /livez HTTP/1.1\r\nHost: 127.0.0.1:{service.port}\r\nConnection: close\r\n\r\n"
    try:
        with socket.create_connection((service.address, service.port or 0), timeout=seconds) as connection:
            connection.sendall(asked.encode())
            return bool(connection.recv(1))
    except OSError:
        return False
