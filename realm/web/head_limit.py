"""uvicorn, with a limit of time to the head of a request, for which it has no setting."""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 30.0
"""A connection on which no request begins for twice as long is ended, however busily it trickles."""


class TimedProtocol(H11Protocol):
    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._watch()

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
