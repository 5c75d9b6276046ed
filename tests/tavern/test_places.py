"""The rail: what unfolds when, what is news, and that nothing is out of reach."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import DatabaseError
from django.test import Client

from arena.models import Battle, ChronicleEntry, Quest
from guild.models import Evaluation
from realm.world import CHECKOUT, World
from tavern import places
from tavern.keys import SECTIONS
from tavern.places import PLACES, Rail, rail_of
from vault.models import Checkpoint

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 1, 1, tzinfo=UTC)
FROM_THE_START = {"tavern", "quests", "settings"}


def shown(rail: Rail) -> set[str]:
    return {entry.place.name for entry in rail.shown}


def a_battle() -> None:
    quest = Quest.objects.create(name="rows", sha256="a" * 64, arrived_at=NOW, skill="bin")
    Battle.objects.create(battle_id="1", quest=quest, hero="DIO", started_at=NOW)


def a_checkpoint() -> None:
    Checkpoint.objects.create(
        name="checkpoint-1-20260101-0000", hero="DIO", step=1, created_at=NOW, learning_rate=0.1, epoch=0, size_bytes=1
    )


def an_evaluation() -> None:
    Evaluation.objects.create(
        hero="DIO", checkpoint="x", step=1, skill="bin", level=1, correct=1, total=2, evaluated_at=NOW
    )


def test_places_unfold_when_they_have_something_to_say() -> None:
    assert shown(rail_of("home")) <= FROM_THE_START
    a_battle()
    assert {"watchtower", "scheduler"} <= shown(rail_of("home"))
    assert not {"vault", "oracle", "guild"} & shown(rail_of("home"))
    a_checkpoint()
    assert {"vault", "oracle"} <= shown(rail_of("home"))
    an_evaluation()
    assert "guild" in shown(rail_of("home"))


def test_one_look_at_the_database_is_enough_for_a_rail(django_assert_num_queries: Any) -> None:
    a_battle()
    ChronicleEntry.objects.create(source="arena", source_seq=1, kind="battle_started", time=NOW, message="It began.")
    with django_assert_num_queries(1):
        assert {"battles", "watchtower"} <= shown(rail_of("home"))


def test_what_is_folded_stands_under_more_with_its_reason(client: Client, world: World) -> None:
    html = client.get("/").content.decode()
    for entry in rail_of("home").entries:
        assert f'href="{entry.address}"' in html
    assert "moves up once the first checkpoint is saved" in re.sub(r"\s+", " ", html)


def test_the_place_where_one_is_and_all_by_a_setting(world: World) -> None:
    assert "vault" in shown(rail_of("vault_compare"))
    assert not rail_of("home", shows_all=True).folds
    assert rail_of("home").folds


@pytest.mark.parametrize(
    ("url_name", "place", "current"),
    [("home", "tavern", "page"), ("quest_rows", "quests", "true"), ("vault", "vault", "page")],
)
def test_each_page_stands_in_one_place(url_name: str, place: str, current: str) -> None:
    assert {entry.place.name: entry.current for entry in rail_of(url_name).entries if entry.current} == {place: current}


def test_news_is_the_newest_entry_of_a_kind_that_one_looks_at_there() -> None:
    for number, kind in enumerate(("quest_arrived", "new_champion", "quest_arrived", "validated"), 1):
        ChronicleEntry.objects.create(source="arena", source_seq=number, kind=kind, time=NOW, message=kind)
    newest = {entry.place.name: entry.newest for entry in rail_of("home").entries}
    ids = list(ChronicleEntry.objects.values_list("id", flat=True))
    assert (newest["quests"], newest["vault"], newest["guild"]) == (ids[2], ids[1], 0)


def test_without_a_database_all_places_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*given: object) -> None:
        raise DatabaseError

    monkeypatch.setattr(places.ChronicleEntry.objects, "order_by", broken)
    assert not rail_of("home").folds


def test_every_key_that_a_script_hears_is_listed() -> None:
    listed = {press.lower() for section in SECTIONS for key in section.keys for press in key.presses}
    assert heard(*(path.read_text() for path in (CHECKOUT / "static/js").rglob("*.js"))) - listed == set()


def test_twin_a_key_that_is_not_listed_is_found() -> None:
    assert heard('if (event.key === "x") go();') == {"x"}


def heard(*scripts: str) -> set[str]:
    """Single characters alone: arrows and Enter do what they do in any form."""
    return {key.lower() for text in scripts for key in re.findall(r'event\.key === "(.)"', text)} - {" "}


def test_no_two_places_have_one_key() -> None:
    assert len({place.key for place in PLACES}) == len(PLACES)


def test_the_keys_have_a_page(client: Client, world: World) -> None:
    assert "logarithmic loss" in client.get("/keys").content.decode()


def test_on_wide_pages_the_place_alone_is_current_and_not_more(client: Client, world: World) -> None:
    html = client.get("/heroes").content.decode()
    (more,) = re.findall(r"<summary class=\"place[^>]*>", html)
    assert "holds-here" in more
    assert "aria-current" not in more
    marked = re.findall(r'<a class="place"\s+href="([^"]*)"\s+aria-current', html)
    assert marked == ["/heroes", "/heroes"], "in the rail, and in the phone's menu"
