"""An inference host for code that waits: what `realm.oracle.client` does, run in a thread of its own.

with OracleClient(get_host("local")) as oracle:
    model = oracle.load(hero="DIO", step=1000)
    answers = oracle.answer(model, ["What is 2 + 2?"], max_new_tokens=16)
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from anyio.from_thread import BlockingPortal, start_blocking_portal

from realm.hosts import Host
from realm.oracle.client import AsyncOracle, find_loaded
from realm.oracle.errors import Damaged, HostDown, HostTrouble, NoRoom, NotLoaded, WrongModel
from realm.oracle.wire import LoadedModel

__all__ = [
    "Damaged",
    "HostDown",
    "HostTrouble",
    "LoadedModel",
    "NoRoom",
    "NotLoaded",
    "OracleClient",
    "WrongModel",
    "find_loaded",
]


class OracleClient:
    """A context manager; every method raises HostTrouble with one sentence for the player."""

    def __init__(self, host: Host, *, timeout_seconds: float | None = None) -> None:
        self._oracle = AsyncOracle(host, timeout_seconds=timeout_seconds)
        self._stack = ExitStack()
        self._portal: BlockingPortal

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._portal = stack.enter_context(start_blocking_portal())
            stack.enter_context(self._portal.wrap_async_context_manager(self._oracle))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def health(self) -> dict[str, Any]:
        return self._portal.call(self._oracle.health)

    def loaded(self) -> list[LoadedModel]:
        """Highest step first."""
        return self._portal.call(self._oracle.loaded)

    def load(self, *, hero: str, step: int | None = None, name: str | None = None) -> LoadedModel:
        """By step or by name; step 0 is the base model. Raises NotLoaded with the steps that there are, too."""
        return self._portal.call(lambda: self._oracle.load(hero=hero, step=step, name=name))

    def unload(self, *, hero: str, step: int | None = None, name: str | None = None) -> None:
        self._portal.call(lambda: self._oracle.unload(hero=hero, step=step, name=name))

    def answer(self, model: LoadedModel, prompts: Sequence[str], *, max_new_tokens: int) -> list[str]:
        """Greedy, one user turn each. Raises WrongModel if another model or other weights answered."""
        return self._portal.call(lambda: self._oracle.answer(model, prompts, max_new_tokens=max_new_tokens))
