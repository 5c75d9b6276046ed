"""A quest's own recipe on the pages: given with the quest, shown, changed, and compared from battle to battle."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from arena import quest_orders
from arena.models import Battle, Quest
from arena.protocol import Order
from arena.quest_orders import Act
from arena.recipe import Recipe
from arena.reports.battle_recipe import battle_recipe
from realm.world import World
from tests.support.local_gate import admit

pytestmark = pytest.mark.django_db

ROW = '{"prompt": "2 + 2 =", "completion": "4"}'


def paste(client: Client, **fields: Any) -> Any:
    return client.post("/quests/paste", {"name": "mine", "text": ROW, "priority": "normal"} | fields, follow=True)


def test_a_recipe_is_given_when_rows_are_pasted_and_lies_beside_the_quest(world: World, client: Client) -> None:
    paste(client, preset="quick-test", recipe="epochs=2 max_length=64")
    beside = world.lane("normal") / "mine.jsonl.recipe.yaml"
    assert beside.read_text() == "preset: quick-test\nepochs: 2\nmax_length: 64\n"


@pytest.mark.parametrize(
    ("recipe", "why"),
    [
        ("epoch=2", "recipe: unknown key &#x27;epoch&#x27;; allowed are"),
        ("epochs=0", "recipe: epochs: 0 is too small; the least allowed is 1"),
        ("epochs", "is not understood; each key is given once, as KEY=VALUE"),
        ("learning_rate=1.0", "is 500 times 2e-3"),
    ],
)
def test_a_bad_one_is_refused_before_anything_is_queued(world: World, client: Client, recipe: str, why: str) -> None:
    assert why in paste(client, recipe=recipe).content.decode()
    assert list(world.lane("normal").iterdir()) == []


def test_an_odd_rate_is_taken_once_it_is_meant(world: World, client: Client) -> None:
    paste(client, recipe="learning_rate=1.0", confirmed="on")
    assert (world.lane("normal") / "mine.jsonl.recipe.yaml").exists()
    assert '"confirmed_rate": 1.0' in (world.lane("normal") / "mine.jsonl.wishes.json").read_text()


def test_an_upload_in_slices_takes_it_too(world: World, client: Client) -> None:
    query = {"name": "mine.jsonl", "offset": 0, "total": len(ROW), "priority": "normal", "recipe": "epochs=2"}
    sent = client.post(f"/quests/uploads/{'0' * 32}", ROW, content_type="application/octet-stream", query_params=query)
    assert sent.status_code == 201
    assert (world.lane("normal") / "mine.jsonl.recipe.yaml").read_text() == "epochs: 2\n"
    refused = client.post(
        f"/quests/uploads/{'1' * 32}", ROW, content_type="application/octet-stream",
        query_params=query | {"recipe": "mode=half"},
    )  # fmt: skip
    assert refused.status_code == 400
    assert "allowed are full, lora, qlora" in refused.json()["refused"]


def test_the_quests_page_shows_it_and_changes_it(world: World, client: Client) -> None:
    paste(client, preset="deep-training", recipe="epochs=2")
    (quest,) = admit(world)
    page = client.get(f"/quests/{quest.pk}").content.decode()
    assert "preset deep-training, epochs 2" in page
    assert 'value="epochs=2"' in page
    assert "full, 2e-3, fp32: about" in page
    client.post(f"/quests/{quest.pk}/recipe", {"recipe": "epochs=7", "page_of": str(quest.pk)})
    ((_, order),) = quest_orders.MAILBOX.waiting(world)
    assert (order.act, order.recipe) == (Act.RECIPE, {"epochs": 7})


def fought(world: World, quest: Quest, number: int, recipe: Recipe) -> Battle:
    folder = world.battles / f"b{number}"
    folder.mkdir()
    Order(
        battle=folder.name, battle_folder=str(folder), quest=quest.name, quest_file="", quest_sha256="", hero="DIO",
        hero_folder=str(world.heroes / "DIO"), base_model="here", recipe=recipe, recipe_reason="full, because",
    ).write()  # fmt: skip
    return Battle.objects.create(battle_id=folder.name, quest=quest, hero="DIO", started_at=datetime.now(UTC))


def test_a_battle_shows_what_is_another_than_before(world: World, client: Client) -> None:
    paste(client)
    (quest,) = admit(world)
    first = fought(world, quest, 1, Recipe())
    second = fought(world, quest, 2, replace(Recipe(), learning_rate=1e-4, epochs=3))
    shown = battle_recipe(world, second)
    assert shown is not None
    assert shown.told == "epochs 1 → 3, learning_rate 2e-3 → 1e-4"
    before = battle_recipe(world, first)
    assert before is not None
    assert before.changes is None
    page = client.get(f"/quests/{quest.pk}").content.decode()
    assert "learning_rate 2e-3 → 1e-4" in page
    assert "All of its recipe" in page
    Path(world.battles / "b1" / "order.json").write_text("{")
    assert battle_recipe(world, first) is None
