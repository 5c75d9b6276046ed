"""A host that answers as it is told, behind the interface of realm.oracle.sync_client."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Self, cast

import pytest

from guild.evaluation import hosting
from realm.checkpoints.names import step_of
from realm.oracle.sync_client import Damaged, HostDown, LoadedModel, NotLoaded, OracleClient

Answer = Callable[[LoadedModel, str], str]


class FakeHost:
    def __init__(self, answer: Answer, *, loaded: Sequence[str] = (), damaged: Sequence[str] = ()) -> None:
        """`loaded` and `damaged` are names of checkpoints."""
        self._answer = answer
        self.held = {name: model_of(name) for name in loaded}
        self._damaged = damaged
        self.asked: list[str] = []
        self.down = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *ignored: object) -> None:
        pass

    def health(self) -> dict[str, object]:
        if self.down:
            raise HostDown("Nobody answers at http://127.0.0.1:1. Start it.")
        return {"status": "healthy"}

    def loaded(self) -> list[LoadedModel]:
        self.health()
        return list(self.held.values())

    def load(self, *, hero: str, step: int | None = None, name: str | None = None) -> LoadedModel:
        name = name or ("base" if step == 0 else None)
        if name is None:
            raise NotLoaded(f"Step {step} not loaded. Available: [1]", [1])
        if name in self._damaged:
            raise Damaged(f"{name}: model.safetensors has changed since it was saved")
        return self.held.setdefault(name, model_of(name))

    def unload(self, *, hero: str, step: int | None = None, name: str | None = None) -> None:
        self.held = {name: model for name, model in self.held.items() if model.step != step}

    def answer(self, model: LoadedModel, prompts: Sequence[str], *, max_new_tokens: int) -> list[str]:
        self.health()
        assert model.name in self.held
        self.asked += prompts
        return [self._answer(model, prompt) for prompt in prompts]


def model_of(name: str) -> LoadedModel:
    step = step_of(name) or 0
    return LoadedModel(
        id=f"DIO/{name}", hero="DIO", step=step, name=name, model_path=f"/m/{name}", sha256=f"{step:064x}"
    )  # fmt: skip


def put(monkeypatch: pytest.MonkeyPatch, host: FakeHost) -> FakeHost:
    """In the place of every host of the world."""
    monkeypatch.setattr(hosting, "connect", lambda world, name: cast(OracleClient, host))
    return host
