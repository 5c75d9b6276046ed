import json
import re
from typing import Any

import pytest
from django.test import Client

from arena.models import Battle, Quest
from realm.world import World
from tests.support.pages import in_one_line
from tests.watchtower import factories

pytestmark = pytest.mark.django_db

HOSTILE = "\"><script>alert(1)</script><img src=x onerror=alert(2)>'&{{ 7 }}</script>"


def live(html: str, key: str) -> str:
    """The text of the first element marked data-live=`key`."""
    found = re.search(rf'data-live="{key}"[^>]*>([^<]*)<', in_one_line(html))
    assert found, f"no element shows {key}"
    return found[1]


def fight(world: World, *, steps: int, **fields: Any) -> Battle:
    battle = factories.make_battle(world, "b1", **fields)
    factories.append_steps(world, "b1", [factories.record(step) for step in range(1, steps + 1)])
    return battle


def test_empty_world_claims_nothing(world: World, client: Client) -> None:
    response = client.get("/")
    html = response.content.decode()
    assert response.status_code == 200
    assert 'data-state="offline"' in html
    assert live(html, "pill") == "Offline"
    for unknown in ("loss", "quest-step", "total", "percent", "eta", "sps", "val", "lr", "accuracy"):
        assert live(html, unknown) == "--"
    assert live(html, "gold") == "0"
    assert "/battle/pause" not in html


def test_first_paint_shows_the_battle_without_the_socket(world: World, client: Client) -> None:
    fight(world, steps=30, total_steps=120)
    factories.tell("b1", 1, kind="checkpoint_saved", step=30)
    factories.say_status(world)
    with factories.daemon_lock(world):
        html = client.get("/").content.decode()
    assert 'data-state="training"' in html
    assert live(html, "quest-step") == "30"
    assert live(html, "total") == "120"
    assert live(html, "percent") == "25.0%"
    assert live(html, "loss") == "0.03333"
    assert live(html, "subject") == "quest-b1"
    assert in_one_line(html).count("<tr><td>") == 20
    assert 'transform="scale(0.2500 1)"' in html
    assert 'transform="scale(0.7500 1)"' in html
    assert "checkpoint_saved 1" in html
    assert "<title>25% · 0.03333 · Realm</title>" in html
    snapshot = json.loads(re.findall(r'id="first-snapshot" type="application/json">(.*?)</script>', html)[0])
    assert snapshot["curve"]["step"] == list(range(1, 31))


def test_only_a_completed_battle_is_at_100_percent(world: World, client: Client) -> None:
    battle = fight(world, steps=120, total_steps=120)
    assert live(client.get("/").content.decode(), "percent") == "99.1%"
    Battle.objects.filter(id=battle.id).update(state=Battle.State.COMPLETED)
    assert live(client.get("/").content.decode(), "percent") == "100.0%"


def test_dead_daemon_is_shown_as_dead_whatever_it_said_last(world: World, client: Client) -> None:
    fight(world, steps=3)
    factories.say_status(world, "training")
    html = client.get("/").content.decode()
    assert 'data-state="offline"' in html
    assert "/battle/pause" not in html


def test_silent_trainer_is_shown_as_silent(world: World, client: Client) -> None:
    fight(world, steps=3)
    factories.say_status(world, "training", at=1000.0)
    with factories.daemon_lock(world):
        html = client.get("/").content.decode()
    assert 'data-state="stale"' in html
    assert live(html, "pill") == "Waiting for trainer"


def test_log_is_newest_first(world: World, client: Client) -> None:
    for number in range(1, 4):
        factories.tell("arena", number)
    html = client.get("/").content.decode()
    entries = re.search(r'<ol id="entries" data-seq="(\d+)">(.*?)</ol>', html, re.DOTALL)
    assert entries
    seqs = [int(seq) for seq in re.findall(r'data-seq="(\d+)"', entries[2])]
    assert seqs == sorted(seqs, reverse=True)
    assert len(seqs) == 3
    assert int(entries[1]) == seqs[0]


@pytest.mark.parametrize("address", ["/", "/panels/stage", "/panels/queue"])
def test_hostile_names_stay_text(world: World, client: Client, address: str) -> None:
    battle = fight(world, steps=3)
    Quest.objects.filter(id=battle.quest_id).update(name=HOSTILE)
    Quest.objects.create(name=HOSTILE, sha256="1" * 64, file="normal/x.jsonl", arrived_at=battle.started_at)
    entry = factories.tell("b1", 1, reason=HOSTILE)
    entry.message = HOSTILE
    entry.save()
    html = client.get(address).content.decode()
    assert "alert(1)" in html
    assert "<script>alert" not in html
    assert "<img" not in html
    assert "7 }}" in html


def test_policy_forbids_inline_code_and_the_page_has_none(world: World, client: Client) -> None:
    response = client.get("/")
    html = response.content.decode()
    assert "default-src 'self'" in response.headers["Content-Security-Policy"]
    assert "unsafe" not in response.headers["Content-Security-Policy"]
    assert not re.findall(r"\sstyle=|<style|\son\w+=|javascript:", html)
    for script in re.findall(r"<script([^>]*)>", html):
        assert "src=" in script or 'type="application/json"' in script


@pytest.mark.parametrize("name", ["stage", "orders", "hero", "queue"])
def test_panel_is_the_same_part_of_the_page(world: World, client: Client, name: str) -> None:
    fight(world, steps=3)
    page, panel = client.get("/").content.decode(), client.get(f"/panels/{name}").content.decode()
    assert panel.lstrip().startswith(("<section", "<div"))
    assert f'id="{name}"' in panel
    assert "<html" not in panel
    token = re.compile(r'(csrfmiddlewaretoken" value=")[^"]*')
    assert token.sub("", panel.strip()) in token.sub("", page)


def test_unknown_panel_is_not_found(world: World, client: Client) -> None:
    assert client.get("/panels/home").status_code == 404
    assert client.post("/panels/hero").status_code == 405
