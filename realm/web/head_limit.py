"""uvicorn, with a limit of time to the head of a request and of connections to one machine, and with the headers of all
answers on its own, for which it has no settings."""

from __future__ import annotations

from collections import Counter
from ipaddress import ip_address
from typing import Any

import h11
from uvicorn.protocols.http import flow_control, h11_impl
from uvicorn.protocols.http.h11_impl import H11Protocol

from realm.web import answer_headers

HEAD_SECONDS = 30.0
"""A connection on which no request begins for twice as long is ended, however busily it trickles."""
_ONES_SHARE = 2
"""Of all connections that there may be, another machine has at most every second one: the rest is for others."""


h11_impl.service_unavailable = answer_headers.AnswerHeaders(flow_control.service_unavailable)  # type: ignore


class TimedProtocol(H11Protocol):
    _held: Counter[str] = Counter()
    """Connections of this process by the machine that holds them, this one left out."""
    _holder = ""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        address = self.client[0] if self.client else ""
        if self.limit_concurrency and address and not ip_address(address).is_loopback:
            self._holder = address
            self._held[address] += 1
            if self._held[address] > self.limit_concurrency // _ONES_SHARE:
                transport.abort()
                return
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._holder:
            self._held[self._holder] -= 1
            if not self._held[self._holder]:
                del self._held[self._holder]
            self._holder = ""

    def _watch(self) -> None:
        self.loop.call_later(HEAD_SECONDS, self._look, self._waits, self.cycle)

    def _look(self, waited: bool, cycle: Any) -> None:
        """A cycle is made of each request once its head is whole."""
        if self.transport.is_closing():
            return
        if waited and self._waits and self.cycle is cycle:
            self.transport.abort()
        else:
            self._watch()

    @property
    def _waits(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def send_400_response(self, msg: str) -> None:
        """To what is no request."""
        own = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
        start = h11.Response(status_code=400, headers=answer_headers.completed(own, path=""), reason=b"Bad Request")
        for event in (start, h11.Data(data=msg.encode("ascii")), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event))
        self.transport.close()
