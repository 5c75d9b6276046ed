"""The web server is killed and started again while a battle writes: who comes back misses nothing."""

from __future__ import annotations

import pytest

from realm.world import World
from tests.support.restarts import EVENTS_A_PHASE, Battle, Browser, Listener, fight_through_restarts
from tests.support.servers import free_port, migrate

pytestmark = pytest.mark.slow

RESTARTS = 2


@pytest.fixture
def battle(world: World) -> Battle:
    migrate(world)
    return Battle(world)


def test_each_gets_each_event_once_in_order_through_restarts(world: World, battle: Battle) -> None:
    port = free_port()
    browser, listener = Browser(port), Listener(port)
    fight_through_restarts(world, [browser, listener], battle, restarts=RESTARTS)
    everything = list(range(1, battle.told + 1))
    assert battle.told == 2 * RESTARTS * EVENTS_A_PHASE
    assert browser.events == everything
    assert (listener.events, listener.steps) == (everything, everything)


def test_twin_who_does_not_say_where_he_was_misses_events_or_gets_them_twice(world: World, battle: Battle) -> None:
    port = free_port()
    browser, listener = Browser(port, remembers=False), Listener(port, remembers=False)
    fight_through_restarts(world, [browser, listener], battle, restarts=1)
    everything = list(range(1, battle.told + 1))
    assert browser.events != everything
    assert min(listener.events.count(1), listener.steps.count(1)) > 1
