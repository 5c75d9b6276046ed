"""The page of the heroes: what it shows and does without scripts, and that all pages follow a switch at once."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from arena.roster import creating, listing
from guild.models import Run
from realm import config
from realm.checkpoints.sidecar import MeasuredOver
from realm.config_follower import Follower
from realm.world import World
from tests.support.checkpoints import make_checkpoint
from tests.watchtower.factories import append_steps, make_battle, record
from vault.index import scan
from vault.models import Checkpoint

pytestmark = pytest.mark.django_db


@pytest.fixture
def place(world: World, skills_folder: object) -> World:
    make_checkpoint(world.heroes, 1200)
    creating.create(world, name="KNIGHT", by="test")
    scan(world)
    return world


def posted(client: Client, address: str, **given: Any) -> str:
    """The page at the end, with what was said."""
    return client.post(address, given, follow=True).content.decode()


def words(page: str) -> str:
    return " ".join(page.split())


def test_a_switch_is_followed_by_every_page_at_once(place: World, client: Client) -> None:
    assert ">DIO</a>" in client.get("/").content.decode()
    text = posted(client, "/heroes/orders", switch="KNIGHT")
    assert "KNIGHT fights from now on" in text
    assert "KNIGHT fights</p>" in text
    assert ">KNIGHT</a>" in client.get("/").content.decode()
    assert client.get("/api/heroes").json()["active"] == "KNIGHT"


def test_without_following_the_old_hero_would_stay_on_the_pages(
    place: World, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin of the test above."""
    monkeypatch.setattr(Follower, "follow", lambda self, settings: settings)
    posted(client, "/heroes/orders", switch="KNIGHT")
    assert config.load(place).hero == "KNIGHT"
    assert ">DIO</a>" in client.get("/").content.decode()


def test_the_page_shows_and_makes_heroes(place: World, client: Client) -> None:
    text = client.get("/heroes").content.decode()
    assert '<b class="title">Squire</b>, level 1' in text
    assert "200 / 1,000 XP" in text
    assert "Galahad is here" in posted(
        client, "/heroes/create", name="Galahad", base_model="embedded", preset="standard"
    )
    refused = client.post("/heroes/create", {"name": "dio", "base_model": "embedded", "preset": "standard"})
    assert refused.status_code == 422
    assert "DIO is a hero of this world already. How about dio-2" in refused.content.decode()
    assert 'value="dio"' in refused.content.decode()
    no_model = {"name": "Tristan", "base_model": "other", "other": "/nowhere", "preset": "standard"}
    assert "holds no model" in client.post("/heroes/create", no_model).content.decode()
    assert "is retired" in posted(client, "/heroes/orders", retire="Galahad")
    assert "Bring back" in client.get("/heroes/panels/roster").content.decode()
    assert "is back" in posted(client, "/heroes/orders", restore="Galahad")
    assert client.post("/heroes/orders", {"dance": "DIO"}).status_code == 404
    assert "there is no hero" in posted(client, "/heroes/orders", switch="../DIO")
    assert [hero.name for hero in listing.list_heroes(place)] == ["DIO", "Galahad", "KNIGHT"]


def test_a_name_is_looked_at_as_it_is_typed(place: World, client: Client) -> None:
    assert "Tristan is free" in client.get("/heroes/check?name=Tristan").content.decode()
    said = client.get("/heroes/check?name=knight", headers={"Accept": "application/json"}).json()
    assert (said["free"], said["suggestions"][0]) == (False, "knight-2")


def test_a_match_and_a_branch_are_asked_for(place: World, client: Client) -> None:
    asked = {"first": "DIO", "first_point": "newest", "second": "KNIGHT", "second_point": "base", "levels": "1"}
    assert "The match is on" in posted(client, "/heroes/match", **asked, skills=["bin"])
    run = Run.objects.get()
    assert run.parameters["checkpoints"] == [Checkpoint.objects.get().name, "KNIGHT/base"]
    assert "data-busy" in client.get("/heroes/panels/matches").content.decode()
    assert "no checkpoint yet" in posted(client, "/heroes/match", **asked | {"second_point": "newest"})
    assert "level 0" in posted(client, "/heroes/branch", name="SON", hero="DIO", checkpoint="newest")
    assert "is being written" in client.get("/heroes").content.decode()


def test_the_card_moves_from_the_first_step_on_and_says_since_when(world: World, client: Client) -> None:
    make_battle(world)
    append_steps(world, "b1", [record(step, loss=2.0) for step in (1, 2)])
    text = words(client.get("/").content.decode())
    assert 'data-live="attack"> 50.0 </dd>' in text
    assert '<b class="title" data-live="title">Recruit</b>' in text


@pytest.mark.parametrize("same_rows", [True, False])
def test_a_chip_compares_over_the_same_rows_alone(world: World, client: Client, *, same_rows: bool) -> None:
    for step, loss, rows in ((1100, 0.5, "a"), (1300, 0.4, "a" if same_rows else "b")):
        taught = MeasuredOver(name="taught", rows=60, sha256=rows * 64)
        make_checkpoint(world.heroes, step, train_loss=1.0, val_loss=loss, val_set=taught)
    scan(world)
    text = words(client.get("/").content.decode())
    assert "300</span>" in text
    assert "/ 1,000 XP" in text
    assert ('data-delta="defense" title="since checkpoint 1,100"' in text) == same_rows
    assert ("▲ 50.0" in text) == same_rows
