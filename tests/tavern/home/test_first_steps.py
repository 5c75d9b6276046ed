"""The card of an empty world: ticked by facts, gone when done or closed."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.test import Client

from arena.models import Battle, ChronicleEntry, Quest
from realm.world import World
from tavern.home import first_steps as card
from tavern.models import Conversation, Question
from tests.support.pages import in_one_line
from vault.models import Checkpoint

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def done(client: Client) -> list[str]:
    html = in_one_line(client.get("/first-steps").content.decode())
    return re.findall(r'<li class="done">.*?<a href="[^"]*">([^<]*)</a>', html)


def live_through(what: int) -> None:
    """The first `what` things that happen to a world."""
    quest = Quest(name="rows", sha256="a" * 64, arrived_at=NOW)
    things: tuple[Callable[[], object], ...] = (
        quest.save,
        lambda: Battle.objects.create(battle_id="1", quest=quest, hero="DIO", started_at=NOW),
        lambda: Checkpoint.objects.create(
            name="checkpoint-1-20260101-0000",
            hero="DIO",
            step=1,
            created_at=NOW,
            learning_rate=1,
            epoch=0,
            size_bytes=1,
        ),
        lambda: ChronicleEntry.objects.create(source="a", source_seq=1, kind="skill_level_up", time=NOW, message="x"),
        lambda: Question.objects.create(conversation=talk(), text="Who are you?"),
    )
    for thing in things[:what]:
        thing()


def talk() -> Conversation:
    return Conversation.objects.create(title="x", changed_at=NOW)


def test_an_empty_world_has_it_with_nothing_done(client: Client, world: World) -> None:
    html = client.get("/").content.decode()
    assert 'id="first-steps"' in html
    assert "The arena is not running" in html
    assert done(client) == []


@pytest.mark.parametrize(("lived", "ticked"), [(1, 1), (2, 2), (4, 4), (5, 5)])
def test_each_step_is_ticked_by_what_is_so(client: Client, world: World, lived: int, ticked: int) -> None:
    live_through(lived)
    assert len(done(client)) == ticked


def test_a_world_where_all_is_done_has_none(client: Client, world: World) -> None:
    live_through(4)
    assert 'id="first-steps"' in client.get("/").content.decode()
    Question.objects.create(conversation=talk(), text="Who are you?")
    assert 'id="first-steps"' not in client.get("/").content.decode()


def closing_keeps_it_away(client: Client) -> bool:
    assert client.post("/first-steps").status_code == 302
    return 'id="first-steps"' not in client.get("/").content.decode()


def test_closed_is_closed_for_good(client: Client, world: World) -> None:
    assert closing_keeps_it_away(client)


def test_twin_without_the_cookie_it_comes_back(client: Client, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(card, "CLOSED", "something else")
    assert not closing_keeps_it_away(client)


def test_the_dialogs_of_the_board_open_by_address(client: Client, world: World) -> None:
    html = in_one_line(client.get("/quests?open=add").content.decode())
    assert re.findall(r'<dialog id="(\w+)"[^>]* open>', html) == ["add"]
    assert re.findall(r'<dialog id="(\w+)"[^>]* open>', in_one_line(client.get("/quests").content.decode())) == []
