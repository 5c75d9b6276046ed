"""Statistics and curves of a run over REST: what the command shows and exports, by the ids of job and battle."""

import json
from typing import Any

import pytest
from django.test import AsyncClient, Client

from arena.models import Battle
from arena.statistics import StatisticsManager, curves
from arena.statistics.source import Source
from realm.world import World
from tests.arena.statistics import factories
from tests.watchtower.factories import make_battle

pytestmark = pytest.mark.django_db(transaction=True)

AT = "/api/training/runs"


@pytest.fixture
def fought(world: World) -> Battle:
    battle = make_battle(world, "b1")
    factories.battle(world.battles / "b1", factories.records(60), factories.Told().begin(total_steps=120))
    return battle


async def body(path: str) -> tuple[Any, bytes]:
    reply: Any = await AsyncClient().get(path)
    assert reply.status_code == 200, reply.content
    if not reply.streaming:
        return reply, reply.content
    return reply, b"".join([piece async for piece in reply.streaming_content])


async def test_curves_come_as_they_are_exported(fought: Battle, world: World) -> None:
    source = Source.of(world, "b1")
    for run in ("b1", f"quest-{fought.quest_id}"):
        reply, data = await body(f"{AT}/{run}/curves.csv")
        assert data == b"".join(curves.as_csv(source))
        assert reply["Content-Disposition"] == 'attachment; filename="b1.csv"'
        assert reply["Content-Type"].startswith("text/csv")
        _, data = await body(f"{AT}/{run}/curves.json")
        assert data == b"".join(curves.as_json(source))
    _, data = await body(f"{AT}/b1/curves.json?points=10")
    assert 1 < len(json.loads(data)["rows"]) <= 10


@pytest.mark.slow
async def test_a_picture_is_shown_in_the_browser(fought: Battle) -> None:
    reply, data = await body(f"{AT}/b1/curves.png")
    assert data.startswith(b"\x89PNG")
    assert (reply["Content-Type"], reply["Content-Disposition"]) == ("image/png", 'inline; filename="b1.png"')


def test_statistics_are_those_of_the_command(fought: Battle, world: World, client: Client) -> None:
    told = client.get(f"{AT}/b1/statistics").json()
    assert told == StatisticsManager(world.battles / "b1").get_statistics()


def test_refusals(fought: Battle, world: World, client: Client) -> None:
    waiting = make_battle(world, "gone").quest
    for path, status in (
        ("nowhere/statistics", 404), ("..%2Fb1/statistics", 404), ("%00/curves.csv", 404),
        ("b1/curves.json?points=3", 422), (f"quest-{waiting.pk}/curves.png", 404),
    ):  # fmt: skip
        assert client.get(f"{AT}/{path}").status_code == status, path
    Battle.objects.filter(battle_id="gone").delete()
    reply = client.get(f"{AT}/quest-{waiting.pk}/statistics")
    assert reply.status_code == 409
    assert "there is nothing to measure before it is fought" in reply.json()["error"]


def test_a_page_draws_a_few_points_of_any_battle(fought: Battle, client: Client) -> None:
    told = client.get(f"{AT}/b1/curve?points=10").json()
    assert (told["battle"], told["quest"], told["steps"], told["first_step"]) == (
        "b1",
        "quest-b1",
        60,
        told["step"][0] - 1,
    )
    points = len(told["step"])
    assert {len(told[key]) for key in ("quest_step", "loss", "lr", "norm", "tokens", "seconds", "memory")} == {points}
    assert (1 < points <= 10, told["quest_step"][-1]) == (True, 60)
    whole = client.get(f"{AT}/newest/curve").json()
    assert (len(whole["step"]), whole["tokens"][-1]) == (60, told["tokens"][-1])
    assert client.get(f"{AT}/nobody/curve").status_code == 404
