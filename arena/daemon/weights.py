"""The base model's files from a hub, before anything is fought with them: fetched beside the daemon, and shown."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

from arena.profiles import hub
from arena.profiles.fitting import gigabytes
from realm.processes.child import ChildProcess
from realm.processes.log import ChildLog
from realm.world import World


class Weights:
    """Fetches one model at a time. What it says is heard by a thread of its own and read by the daemon's."""

    def __init__(self, world: World, wake: Callable[[], None]) -> None:
        self._log = ChildLog(world.logs / "fetching.log")
        self._wake = wake
        self._child: ChildProcess | None = None
        self._model = ""
        self._done, self._of = 0, 0
        self._failed = ""
        self._has_come = False

    @property
    def told(self) -> str:
        """What is on its way, how much of it is here, and where it lies; empty while nothing is fetched."""
        if self._child is None:
            return ""
        much = f"{gigabytes(self._done)} of {gigabytes(self._of)} GB" if self._of else "asking the hub"
        return f"Fetching {self._model}: {much}, into {hub.cache_folder(self._model)}"

    def fetch(self, model: str) -> str:
        """Begin, or look how far it is. Why it cannot be had, in a sentence; empty while it is on its way, or here."""
        if self._child is None and self._has_come and self._model == model:
            self._has_come = False
            return self._refusal(model, "the hub has no more of it than that")
        if self._child is None:
            if hub.is_offline():
                return self._refusal(model, "HF_HUB_OFFLINE forbids to fetch it")
            self._begin(model)
            return ""
        if self._child.exit_code is None:
            return ""
        self.end()
        if self._failed:
            return self._refusal(model, f"it cannot be fetched ({self._failed})")
        self._has_come = True
        return ""

    def _begin(self, model: str) -> None:
        self._model, self._done, self._of, self._failed, self._has_come = model, 0, 0, "", False
        self._child = ChildProcess.conversing(
            [sys.executable, "-m", "arena.fetching", model], self._log, on_line=self._hear, on_end=self._wake
        )

    def end(self) -> None:
        if self._child is not None:
            self._child.reap()
            self._child = None

    def _hear(self, line: bytes) -> None:
        try:
            said = json.loads(line)
        except ValueError:
            return
        self._done, self._of = said.get("done", self._done), said.get("of", self._of)
        self._failed = said.get("failed", self._failed)

    def _refusal(self, model: str, why: str) -> str:
        missing = ", ".join(hub.missing_of(model))
        return f"base_model {model} is not on this machine: {missing} missing in {hub.cache_folder(model)}, and {why}"
