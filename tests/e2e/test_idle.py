"""A page that nobody touches asks seldom, whatever goes on; one that somebody is at follows at once."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Tavern, Visitor

MOST_A_MINUTE = 2
PAGES = ("/", "/quests", "/patrol", "/watchtower")
BY_THE_CLOCK = ("/static/img/", "/panels/orders", "/panels/rate", "/account")
"""A clock that runs ahead of the server's makes that look silent: only then are these asked for again."""


def asked_in_a_minute(page: Page, tavern: Tavern, address: str, *, is_there: bool) -> list[str]:
    """What the page asks for in a minute of its own clock while quests come and go, and somebody moves the mouse."""
    page.clock.install()
    page.goto(f"{tavern.address}{address}")
    expect(page.locator("#pill")).to_have_attribute("data-pill", "live")
    page.clock.run_for(3000)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.removeprefix(tavern.address)))
    for number in range(6):
        if is_there:
            page.mouse.move(number, number)
        tavern.do("status", state="training")
        tavern.do("event", kind="quest_completed", message=f"Quest {number} complete")
        tavern.do("event", kind="checkpoint_saved", message=f"Checkpoint {number} saved")
        page.clock.run_for(10_000)
    return [each for each in asked if not each.startswith(BY_THE_CLOCK)]


def check_idle(page: Page, tavern: Tavern, address: str, *, is_there: bool = False) -> None:
    asked = asked_in_a_minute(page, tavern, address, is_there=is_there)
    assert len(asked) <= MOST_A_MINUTE, asked


@pytest.fixture
def battle(tavern: Tavern) -> Tavern:
    tavern.do("status", state="training")
    tavern.do("begin", name="alpaca", total=400)
    tavern.do("steps", count=100)
    return tavern


@pytest.mark.slow
def test_no_page_asks_more_than_twice_a_minute(battle: Tavern, visitor: Visitor) -> None:
    for address in PAGES:
        check_idle(visitor.page, battle, address)


@pytest.mark.slow
def test_twin_somebody_who_is_there_is_asked_for_at_once(battle: Tavern, visitor: Visitor) -> None:
    with pytest.raises(AssertionError):
        check_idle(visitor.page, battle, "/quests", is_there=True)
