"""The web server is killed and started again while a battle writes: who comes back misses nothing."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from realm.world import World
from tests.support.restarts import EVENTS_A_PHASE, Battle, Browser, Listener, fight_through_restarts
from tests.support.servers import free_port, migrate

pytestmark = pytest.mark.slow

RESTARTS = 1
"""Fifty in `scripts/campaign.sh load`."""


class Fought(NamedTuple):
    """What those heard who say where they were, and their twins who do not."""

    everything: list[int]
    browser: Browser
    listener: Listener
    forgetful_browser: Browser
    forgetful_listener: Listener


@pytest.fixture(scope="module")
def fought(tmp_path_factory: pytest.TempPathFactory) -> Fought:
    world = World(tmp_path_factory.mktemp("restarts") / "world")
    world.create()
    migrate(world)
    battle, port = Battle(world), free_port()
    clients = (
        Browser(port), Listener(port), Browser(port, remembers=False), Listener(port, remembers=False),
    )  # fmt: skip
    fight_through_restarts(world, clients, battle, restarts=RESTARTS)
    return Fought(list(range(1, battle.told + 1)), *clients)


def test_each_gets_each_event_once_in_order_through_restarts(fought: Fought) -> None:
    assert len(fought.everything) == 2 * RESTARTS * EVENTS_A_PHASE
    assert fought.browser.events == fought.everything
    assert (fought.listener.events, fought.listener.steps) == (fought.everything, fought.everything)


def test_twin_who_does_not_say_where_he_was_misses_events_or_gets_them_twice(fought: Fought) -> None:
    assert fought.forgetful_browser.events != fought.everything
    assert min(fought.forgetful_listener.events.count(1), fought.forgetful_listener.steps.count(1)) > 1
