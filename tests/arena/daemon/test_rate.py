"""The learning rate of a battle under way: ordered by command or page, carried out or refused by the daemon."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from arena import rate_orders
from arena.daemon import battles, rate
from arena.models import Battle
from arena.protocol import RATE_FILE, Order
from arena.recipe import Recipe
from realm.world import World
from tests.watchtower import factories

pytestmark = pytest.mark.django_db

RECIPE = Recipe(learning_rate=2e-3)


@pytest.fixture
def battle(world: World) -> Battle:
    made = factories.make_battle(world)
    folder = world.battles / made.battle_id
    Order(
        battle=made.battle_id, battle_folder=str(folder), quest="q", quest_file="q.jsonl", quest_sha256="0" * 64,
        hero="DIO", hero_folder=str(world.heroes / "DIO"), base_model="base", recipe=RECIPE,
    ).write()  # fmt: skip
    return made


def by_command(value: str) -> str:
    try:
        call_command("battle", "rate", value)
    except CommandError as error:
        return str(error)
    return ""


def by_page(value: str) -> str:
    response = Client().post("/battle/rate", {"learning_rate": value}, headers={"hx-request": "true"})
    said = response.content.decode()
    assert response.status_code == 200
    return said if 'role="alert"' in said else ""


def by_program(value: str) -> str:
    client = Client(enforce_csrf_checks=True)
    response = client.post("/battle/rate", {"learning_rate": value}, content_type="application/json")
    said = response.json()
    assert (response.status_code, said["success"]) in ((200, True), (409, False))
    return str(said.get("error", ""))


def obey(world: World) -> tuple[bool, list[str]]:
    told: list[str] = []
    obeyed = rate.obey(
        world,
        lambda: battles.unfinished(world, "DIO"),
        tell=lambda kind, said, **_: told.append(said),
        on_damaged=told.append,
    )
    return obeyed, told


def rate_file(world: World, battle: Battle) -> Path:
    return world.battles / battle.battle_id / RATE_FILE


@pytest.mark.parametrize("ordered", [by_command, by_page, by_program])
def test_an_order_reaches_the_battles_folder(world: World, battle: Battle, ordered: Callable[[str], str]) -> None:
    assert ordered("5e-4") == ""
    assert obey(world) == (True, [])
    assert json.loads(rate_file(world, battle).read_bytes()) == {"learning_rate": 5e-4}
    assert obey(world) == (False, [])


@pytest.mark.parametrize("ordered", [by_command, by_page, by_program])
@pytest.mark.parametrize(
    ("value", "said"),
    [("0.01", "0.01 is above the 0.002"), ("0", "above 0"), ("nan", "above 0"), ("half", "is no number")],
)
def test_what_cannot_be_is_refused_in_words(
    world: World, battle: Battle, ordered: Callable[[str], str], value: str, said: str
) -> None:
    assert said in ordered(value)
    assert obey(world) == (False, [])


@pytest.mark.parametrize("body", [{}, {"learning_rate": None}, {"learning_rate": True}, [5e-4], "{"])
def test_a_malformed_request_is_a_400(world: World, battle: Battle, client: Client, body: object) -> None:
    response = client.post("/battle/rate", body, content_type="application/json")
    assert (response.status_code, response.json()["success"]) == (400, False)
    number = client.post("/battle/rate", {"learning_rate": 5e-4}, content_type="application/json")
    assert number.json() == {"success": True, "battle": battle.battle_id, "learning_rate": 5e-4}


def test_without_a_battle_it_is_refused(world: World) -> None:
    assert "no battle is under way" in by_command("5e-4")
    with pytest.raises(CommandError, match="required: value"):
        call_command("battle", "rate")
    with pytest.raises(CommandError, match="unrecognized arguments: 5e-4"):
        call_command("battle", "pause", "5e-4")


def test_a_battle_that_ended_meanwhile_is_named(world: World, battle: Battle) -> None:
    rate_orders.lower(world, 5e-4, by="test")
    battles.end(battle, Battle.State.COMPLETED)
    battle.save()
    assert obey(world) == (False, [f"The learning rate stays: {battle.battle_id} is over"])
    assert not rate_file(world, battle).exists()


def test_the_daemon_looks_again_at_what_was_ordered(
    world: World, battle: Battle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file in `control/` may be anybody's; the twin: without the second look it would be carried out."""
    order = rate_orders.RateOrder(battle=battle.battle_id, learning_rate=1.0, by="hand")
    rate_orders.MAILBOX.leave(world, order)
    assert obey(world)[0] is False
    rate_orders.MAILBOX.leave(world, order)
    monkeypatch.setattr(rate_orders, "why_refused", lambda *_: "")
    assert obey(world)[0] is True


def test_without_a_script_the_page_says_what_was_refused(world: World, battle: Battle, client: Client) -> None:
    response = client.post("/battle/rate", {"learning_rate": "1"})
    assert response.status_code == 409
    assert "is above the 0.002 of its recipe" in response.content.decode()
