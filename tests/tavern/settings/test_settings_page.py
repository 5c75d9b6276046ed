"""`/settings` without a script: what it shows, writes, refuses beside the field, and asks about."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from realm.config import config_file
from realm.world import World
from tavern.presentation import kept
from tavern.settings import page
from watchtower.armory import backups, catalogue

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
HTMX = {"HTTP_HX_REQUEST": "true"}


def post(client: Client, key: str, value: str = "", **more: Any) -> Any:
    extra = HTMX if more.pop("htmx", False) else {}
    return client.post("/settings/set", {"key": key, "value": value, **more}, **extra)


def text(world: World) -> str:
    path = config_file(world)
    return path.read_text() if path.exists() else ""


def test_every_setting_has_a_row_and_what_is_changed_comes_first(client: Client, world: World) -> None:
    config_file(world).write_text("training: { save_every: 70 }\nredis_url: redis://:hunter2@localhost/0\n")
    shown = client.get("/settings").content.decode()
    ids = re.findall(r'<li class="setting[^"]*"\s+id="([^"]+)"', shown)
    assert sorted(ids) == sorted(one.key.replace(".", "-") for one in catalogue.read_all(world))
    assert next(one for one in ids if one.startswith("training-")) == "training-save_every"
    assert "hunter2" not in shown
    found = client.get("/settings?q=learning_rate").content.decode()
    assert 0 < len(re.findall('<li class="setting', found)) < 6


def test_one_is_saved_undone_and_refused_beside_its_field(client: Client, world: World) -> None:
    saved = post(client, "training.learning_rate", "3e-4")
    assert (saved.status_code, saved.url) == (302, "/settings#training-learning_rate")
    assert "learning_rate: 3e-4" in text(world) or "learning_rate: 0.0003" in text(world)
    refused = post(client, "training.learning_rate", "20", htmx=True).content.decode()
    assert re.search(r'id="training-learning_rate-refusal"[^>]*>learning_rate: 20 ?.* is too large; .* is 10<', refused)
    assert 'value="20"' in refused
    assert post(client, "training.learning_rate", "20").status_code == 422
    post(client, "training.learning_rate", reset="yes")
    assert "learning_rate" not in text(world)


def test_what_is_critical_is_asked_about_with_its_consequence(client: Client, world: World) -> None:
    asked = post(client, "training.max_length", "512")
    assert asked.status_code == 409
    assert "rows of 512 tokens in place of 256" in asked.content.decode()
    assert text(world) == ""
    done = post(client, "training.max_length", "512", confirm="yes", htmx=True).content.decode()
    assert "config.yaml.bak-" in done
    (copy,) = backups.list_all(world)
    assert client.post("/settings/restore", {"name": copy.name}).status_code == 409
    client.post("/settings/restore", {"name": copy.name, "confirm": "yes"})
    assert text(world) == ""


def test_presets_show_their_difference_and_are_used_kept_and_deleted(client: Client, world: World) -> None:
    lines = {line.preset.name: line for line in page.read(world).presets}
    assert lines["standard"].in_force
    assert lines["standard"].differences == []
    assert lines["deep-training"].differences
    client.post("/settings/presets", {"name": "mine", "act": "save"})
    client.post("/settings/presets", {"name": "mine"})
    assert {line.preset.name: line.in_force for line in page.read(world).presets}["mine"]
    assert "it is in force" not in client.post("/settings/presets", {"name": "no"}).content.decode()
    client.post("/settings/presets", {"name": "standard"})
    asked = client.post("/settings/presets", {"name": "mine", "act": "delete"})
    assert (asked.status_code, "The file of mine goes" in asked.content.decode()) == (409, True)
    client.post("/settings/presets", {"name": "mine", "act": "delete", "confirm": "yes"})
    assert "mine" not in {line.preset.name for line in page.read(world).presets}


def test_looks_are_kept_or_refused_as_a_whole(client: Client, world: World) -> None:
    whole = {"theme": "parchment", "text_size": "120", "numbers": "full", "motion": "off", "volume": "40",
             "smoothing": "60", "chart_x": "step", "sound": "on", "silent": ["hit"]}  # fmt: skip
    assert client.post("/settings/presentation", whole).status_code == 302
    shown = client.get("/settings").content.decode()
    assert 'data-theme="parchment"' in shown
    assert 'data-silent="hit"' in shown
    assert client.post("/settings/presentation", whole | {"volume": "400"}).status_code == 400
    assert kept.of(None).volume != 400


@pytest.mark.parametrize(
    ("asked", "said"),
    [("model=Llama-3.1-70B", "does not fit"), ("model=SmolLM2-135M", "fits"), ("max_length=x", "a whole number")],
)
def test_the_calculator_answers_as_one_types(client: Client, world: World, asked: str, said: str) -> None:
    assert said in client.get(f"/settings/calculator?{asked}", **HTMX).content.decode()


def test_broken_settings_leave_a_page_that_says_so(client: Client, world: World) -> None:
    config_file(world).write_text("training: { learning_rat: 1 }\n")
    shown = client.get("/settings").content.decode()
    assert "did you mean" in shown
