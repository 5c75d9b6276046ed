"""Every setting is shown with what decides it, and changed in one way by command and API."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from arena import presets
from arena.roster import creating, retiring
from realm.config import config_file
from realm.config_edit import ABSENT
from realm.world import World
from watchtower.armory import backups, catalogue, changing, kinds
from watchtower.armory.catalogue import Setting
from watchtower.armory.changing import Locked, Refusal, Unconfirmed

pytestmark = pytest.mark.django_db
OWN = """# mine
port: 9000 # of the Tavern
training:
  learning_rate: 1e-3 # tried
  max_length: 512
"""


@pytest.fixture
def file(world: World) -> str:
    config_file(world).write_text(OWN)
    return OWN


def seen(world: World, key: str, **environment: str) -> Setting:
    return catalogue.find(catalogue.read_all(world, environment), key)


def run(*words: str) -> str:
    out = io.StringIO()
    call_command("settings", *words, stdout=out)
    return out.getvalue()


def text(world: World) -> str:
    return config_file(world).read_text()


def test_each_setting_has_help_and_says_when_it_holds(world: World) -> None:
    found = catalogue.read_all(world, {})
    assert [one.key for one in found if not one.help or not one.effect or not one.source] == []
    assert len({one.key for one in found}) == len(found)
    assert {one.section for one in found} == {"realm", "curriculum", *catalogue.SECTIONS}


@pytest.mark.usefixtures("file")
def test_the_source_of_a_value_is_named(world: World) -> None:
    told = {key: seen(world, key, REALM_VAULT_PORT="9001").source for key in (
        "port", "vault_port", "oracle_port", "training.max_length", "training.epochs", "training.seed", "copies.which",
        "curriculum.bin.priority",
    )}  # fmt: skip
    assert list(told.values()) == [
        "config.yaml", "REALM_VAULT_PORT", "configs/realm.yaml", "config.yaml", "preset standard", "code",
        "configs/realm.yaml", "skill bin",
    ]  # fmt: skip
    assert (seen(world, "port").value, seen(world, "port").default) == (9000, 8888)


def test_secrets_are_never_shown(world: World, client: Client) -> None:
    config_file(world).write_text("redis_url: redis://:hunter2@localhost:6379/0\n")
    assert seen(world, "redis_url").source == "config.yaml"
    shown = [run("show"), run("show", "--json"), run("show", "redis_url"), client.get("/api/settings").content.decode()]
    assert [one for one in shown if "hunter2" in one] == []


@pytest.mark.usefixtures("file")
def test_a_change_keeps_every_comment(world: World) -> None:
    changing.put(world, "learning_rate", 5e-4, environment={})
    changing.put(world, "gatekeeper.hold", "always", environment={})
    assert seen(world, "training.learning_rate").value == 5e-4
    assert all(comment in text(world) for comment in ("# mine", "# of the Tavern", "# tried"))


@pytest.mark.usefixtures("file")
@pytest.mark.parametrize("key", ["port", "training.learning_rate"])
def test_a_reset_gives_it_back_and_keeps_what_was_remarked(world: World, key: str) -> None:
    before = seen(world, key)
    assert changing.put(world, key, ABSENT, environment={}).after == before.default
    assert seen(world, key).source == before.default_source
    assert "# of the Tavern" in text(world)


@pytest.mark.usefixtures("file")
@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("port", 70000, "port: 70000 is no port; allowed are 1 to 65535"),
        ("training.learning_rate", 20, "learning_rate: 20.0 is too large; the most allowed is 10"),
        ("gatekeeper.depth", "deeper", "depth: 'deeper' is not allowed; allowed are quick, standard, deep"),
        ("curriculum.bin.priority", -1, "priority: -1"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_written(world: World, key: str, value: Any, said: str) -> None:
    with pytest.raises(Refusal) as refused:
        changing.put(world, key, value, environment={})
    assert str(refused.value).startswith(said)
    assert text(world) == OWN


@pytest.mark.usefixtures("file")
def test_what_the_environment_sets_is_locked(world: World) -> None:
    with pytest.raises(Locked, match="REALM_PORT"):
        changing.put(world, "port", 1234, environment={"REALM_PORT": "5000"})
    assert text(world) == OWN


CRITICAL = [
    ("max_length", 1024, "rows of 1024 tokens in place of 512"), ("model_name", "KNIGHT", "KNIGHT begins at level 0"),
    ("base_model", "/models/other", "/models/other in place of the embedded hero"),
]  # fmt: skip


@pytest.mark.usefixtures("file")
@pytest.mark.parametrize(("key", "value", "said"), CRITICAL)
def test_what_is_critical_wants_a_second_word_everywhere(
    world: World, client: Client, key: str, value: Any, said: str
) -> None:
    with pytest.raises(CommandError, match=said):
        run("set", key, str(value), "--json")
    refused = client.post(f"/api/settings/{key}", {"value": value}, content_type="application/json")
    assert (refused.status_code, said in refused.json()["detail"]) == (409, True)
    assert (text(world), backups.list_all(world)) == (OWN, [])
    sure = client.post(f"/api/settings/{key}", {"value": value, "confirm": True}, content_type="application/json")
    assert sure.json()["after"] == value
    assert (world.home / sure.json()["backup"]).read_text() == OWN


@pytest.mark.usefixtures("file")
def test_twin_without_the_guard_it_is_written_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changing, "consequences", lambda *given: [])
    for key, value, _ in CRITICAL:
        changing.put(world, key, value, environment={})
    assert text(world) != OWN


def test_a_preset_that_changes_the_rows_is_critical(world: World) -> None:
    presets.save(world, "long", {"max_length": 2048}, about="long rows")
    with pytest.raises(Unconfirmed, match="2048 tokens in place of 256"):
        changing.put(world, "preset", "long", environment={})
    assert changing.put(world, "preset", "quick-test", environment={}).after == "quick-test"


@pytest.mark.usefixtures("file")
def test_a_copy_is_put_back(world: World) -> None:
    run("set", "max_length", "1024", "--yes")
    (copy,) = json.loads(run("backups", "--json"))["backups"]
    with pytest.raises(CommandError, match="rows of 512 tokens in place of 1024"):
        run("restore", copy["name"])
    run("restore", copy["name"], "--yes")
    assert text(world) == OWN
    assert len(backups.list_all(world)) == 2
    with pytest.raises(CommandError, match="there is no copy"):
        run("restore", "config.yaml")


@pytest.mark.parametrize(
    ("key", "typed", "value"),
    [
        ("training.learning_rate", "2e-4", 2e-4), ("autoplay", "off", False), ("web_ports", "8898, 8899", [8898, 8899]),
        ("base_model", "", None), ("hero", "7", "7"), ("training.lora_targets", "[q_proj]", ["q_proj"]),
    ],
)  # fmt: skip
def test_what_is_typed_is_read_as_the_field_is_meant(world: World, key: str, typed: str, value: Any) -> None:
    form = seen(world, key).form
    assert kinds.read(form, typed) == value
    assert kinds.read(form, kinds.written(value)) == value


def test_another_hero_comes_with_its_own_model_and_preset(world: World) -> None:
    creating.create(world, name="KNIGHT", preset="quick-test", by="test")
    changing.put(world, "hero", "KNIGHT", confirmed=True, environment={})
    assert (seen(world, "hero").value, seen(world, "preset").value) == ("KNIGHT", "quick-test")
    assert "within seconds" in seen(world, "hero").effect
    retiring.retire(world, "DIO", by="test")
    with pytest.raises(Refusal, match="DIO is retired"):
        changing.put(world, "hero", "DIO", confirmed=True, environment={})
    assert seen(world, "hero").value == "KNIGHT"


def test_a_preset_is_used_by_its_command_only_on_a_second_word_where_rows_change(world: World) -> None:
    presets.save(world, "long", {"max_length": 2048}, about="long rows")
    with pytest.raises(CommandError, match="2048 tokens in place of 256"):
        call_command("preset", "use", "long")
    assert seen(world, "preset").value != "long"
    call_command("preset", "use", "long", "--yes", stdout=io.StringIO())
    assert seen(world, "preset").value == "long"


@pytest.mark.usefixtures("file")
def test_a_copy_is_put_back_as_private_as_it_was_and_odd_names_are_none(world: World) -> None:
    config_file(world).chmod(0o600)
    name = backups.make(world)
    (world.home / "config.yaml.bak-20269999-000000-000").write_text("")
    assert [one.name for one in backups.list_all(world)] == [name]
    changing.restore(world, name, confirmed=True, environment={})
    assert config_file(world).stat().st_mode & 0o777 == 0o600
