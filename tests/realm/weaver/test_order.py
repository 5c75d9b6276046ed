"""What a player waits for is started first; the rest follows whether the Tavern answers or not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from realm.config import RealmConfig
from realm.weaver import WeaverError, supervisord, verbs
from realm.weaver.services import ARENA, TAVERN, services
from realm.weaver.supervisord import ServiceState
from realm.world import World

CONFIG = RealmConfig(serve_trainers=("sy",))
NAMES = [service.name for service in services(CONFIG)]


class FakeLoom:
    def __init__(self, told: list[str]) -> None:
        self.told = told
        self.tavern = "STOPPED"

    def states(self) -> dict[str, ServiceState]:
        state = {name: self.tavern if name == TAVERN else "STOPPED" for name in NAMES}
        return {name: ServiceState(name=name, state=state[name], pid=None, uptime_seconds=None) for name in NAMES}

    def start(self, name: str) -> None:
        self.told.append(name)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What happened, in order, to a supervisord that lives and runs nothing."""
    told: list[str] = []

    @contextmanager
    def alive(world: World) -> Iterator[None]:
        yield None

    monkeypatch.setattr(supervisord, "lock_unless_alive", alive)
    monkeypatch.setattr(verbs, "Loom", lambda world: FakeLoom(told))
    return told


def test_the_tavern_answers_before_what_nobody_waits_for_is_started(
    world: World, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verbs, "_answers", lambda config: not told.append("asked"))
    mended = verbs.mend(world, CONFIG, prepare=lambda: None)
    assert told == [TAVERN, ARENA, "asked", *(name for name in NAMES if name not in (TAVERN, ARENA))]
    assert mended.started == NAMES


def test_all_are_started_though_the_tavern_fails(
    world: World, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verbs, "_answers", lambda config: False)
    with pytest.raises(WeaverError, match="the Tavern does not answer"):
        verbs.mend(world, CONFIG, prepare=lambda: None)
    assert sorted(told) == sorted(NAMES)


def test_twin_where_all_are_waited_for_none_is_held_back(
    world: World, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verbs, "WAITED_FOR", NAMES)
    monkeypatch.setattr(verbs, "_answers", lambda config: not told.append("asked"))
    verbs.mend(world, CONFIG, prepare=lambda: None)
    assert told == [*NAMES, "asked"]
