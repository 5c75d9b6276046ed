"""Auto-play is turned on and off while the arena runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from arena.daemon.loop import ArenaDaemon
from arena.daemon.settings import FRESH_SECONDS
from realm.config import RealmConfig
from realm.world import World
from tests.arena.daemon.test_loop import CONFIG, Clock, clock, open_daemon, settle, trainer

__all__ = ["clock", "open_daemon", "trainer"]  # fixtures

pytestmark = pytest.mark.django_db(transaction=True)
Opener = Callable[..., ArenaDaemon]
FEW = replace(CONFIG, curriculum={"bin": {"quest_rows": 10}, "sy": {"priority": 0}})


def turned(daemon: ArenaDaemon, clock: Clock, *, on: bool) -> None:
    changed: RealmConfig = replace(FEW, autoplay=on)
    daemon.settings.load = lambda: changed
    clock.now += FRESH_SECONDS + 1
    settle(daemon)


def forged(world: World) -> list[str]:
    return sorted(path.name for path in world.inbox.rglob("*.jsonl"))


def test_auto_play_follows_the_settings(world: World, clock: Clock, open_daemon: Opener) -> None:
    daemon = open_daemon(FEW)
    settle(daemon)
    assert forged(world) == []
    turned(daemon, clock, on=True)
    assert forged(world) == ["bin-level-1-0001.jsonl"]


def test_auto_play_is_turned_off(world: World, clock: Clock, open_daemon: Opener) -> None:
    daemon = open_daemon(replace(FEW, autoplay=True))
    turned(daemon, clock, on=False)
    assert forged(world) == []


def test_twin_settings_that_are_never_read_again_change_nothing(
    world: World, clock: Clock, open_daemon: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = open_daemon(FEW)
    monkeypatch.setattr(daemon.settings, "read_again", lambda: None)
    turned(daemon, clock, on=True)
    assert forged(world) == []
