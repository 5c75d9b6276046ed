"""Calls that may never end, such as one to a NAS whose cable was pulled: who waits for them gives up. No Django."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from vault.errors import Unreachable

T = TypeVar("T")


def within(seconds: float, work: Callable[[], T], *, who: str) -> T:
    """What `work` returns or raises; it runs in a thread of its own, which is left behind where it takes longer.

    Raises Unreachable then. The thread holds up neither the next call nor the end of the process.
    """
    outcome: Future[T] = Future()

    def perform() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:
            outcome.set_exception(error)

    threading.Thread(target=perform, daemon=True, name=f"stronghold {who}").start()
    try:
        return outcome.result(seconds)
    except TimeoutError:
        raise Unreachable(f"{who} has not answered for {seconds:g} seconds") from None
