import json
import re

import pytest
from django.test import Client

from arena import orders
from arena.orders import Wish
from realm.world import World
from tests.watchtower import factories

pytestmark = pytest.mark.django_db


def commands(world: World) -> list[dict[str, str]]:
    return [json.loads(path.read_text()) for path in sorted(world.control.glob("*.command.json"))]


@pytest.mark.parametrize("wish", list(Wish))
def test_order_reaches_the_daemon(world: World, client: Client, wish: Wish) -> None:
    response = client.post(f"/battle/{wish}")
    assert (response.status_code, response.headers["Location"]) == (302, "/")
    assert commands(world) == [{"wish": wish, "by": "tavern", "battle": ""}]
    assert [request.wish for _, request in orders.MAILBOX.waiting(world)] == [wish]


@pytest.mark.parametrize("wish", list(Wish))
def test_looking_at_an_order_gives_none(world: World, client: Client, wish: Wish) -> None:
    assert client.get(f"/battle/{wish}").status_code == 405
    assert commands(world) == []


def test_unknown_order_is_not_found(world: World, client: Client) -> None:
    assert client.post("/battle/dance").status_code == 404
    assert commands(world) == []


def test_order_without_the_page_token_is_refused(world: World) -> None:
    assert Client(enforce_csrf_checks=True).post("/battle/stop").status_code == 403
    assert commands(world) == []


def test_given_order_can_not_be_pressed_again(world: World, client: Client) -> None:
    factories.make_battle(world)
    factories.say_status(world, "training")
    with factories.daemon_lock(world):
        html = client.post("/battle/pause", headers={"hx-request": "true"}).content.decode()
    assert "Resting…" in html
    assert html.count("disabled>") == 1
    assert "Retreat" in html


@pytest.mark.parametrize(
    ("state", "offered"),
    [
        ("training", ["pause", "skip", "stop"]),
        ("preparing", ["pause", "skip", "stop"]),
        ("paused", ["resume", "stop"]),
        ("resting", ["resume"]),
        ("idle", []),
    ],
)
def test_only_orders_that_do_something_are_offered(
    world: World, client: Client, state: str, offered: list[str]
) -> None:
    factories.say_status(world, state)
    with factories.daemon_lock(world):
        html = client.get("/panels/orders").content.decode()
    assert [wish for wish in ("pause", "resume", "skip", "stop") if f'action="/battle/{wish}"' in html] == offered


def test_what_ends_a_battle_asks_again(world: World, client: Client) -> None:
    factories.say_status(world, "training")
    with factories.daemon_lock(world):
        html = client.get("/panels/orders").content.decode()
    forms = html.split("<form")[1:]
    assert ["data-confirm" in form for form in forms] == [False, True, True]
    page = client.get("/").content.decode()
    for asked in re.findall(r'data-confirm="([^"]+)"', html):
        assert f'<dialog id="{asked}"' in page


def test_a_battle_that_waits_for_room_needs_no_resume(world: World, client: Client) -> None:
    factories.say_status(world, "paused", message="no room on /data: 5 bytes are needed, 0 are free", waits=True)
    with factories.daemon_lock(world):
        html = client.get("/").content.decode()
    assert 'data-state="paused"' in html
    assert "no room on /data: 5 bytes are needed, 0 are free" in html
    assert re.findall(r'action="/battle/(\w+)"', html) == ["pause", "skip", "stop"]
