"""The loop in which daphne answers says that it goes round, from the moment on when it listens."""

from __future__ import annotations

from daphne import server  # type: ignore[import-untyped]
from twisted.internet.task import LoopingCall

from realm.processes import notify


def begin() -> None:
    """As soon as daphne runs its loop; a process that only imports the application has none."""
    server.reactor.callWhenRunning(LoopingCall(notify.beat).start, notify.EVERY_SECONDS)
