"""Single keys of `config.yaml` are changed; all else stays as the player wrote it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from realm import config_edit
from realm.config import parse_yaml
from realm.strict import BadConfig
from realm.world import World

MINE = """\
# my realm
autoplay: false   # I choose
tasks:
  # why so rarely
  health_check:
    cooldown_seconds: 900   # a quarter of an hour

  idle_percent: 30
# the end of tasks
training: {max_length: 512}
"""


def change(world: World, text: str, path: tuple[str, ...], value: Any) -> str:
    file = world.home / "config.yaml"
    file.write_text(text, encoding="utf-8")
    config_edit.change(world, {path: value}, check=lambda settings: None)
    return file.read_text(encoding="utf-8")


def test_a_value_is_replaced_where_it_stands(world: World) -> None:
    changed = change(world, MINE, ("tasks", "health_check", "cooldown_seconds"), 60)
    assert changed == MINE.replace("900", "60")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("tasks", "health_check", "enabled"), False),
        (("tasks", "generate", "enabled"), False),
        (("tasks", "sparring", "skills", "bin", "count"), 7),
        (("training", "seed"), 5),
        (("preset",), "gentle"),
        (("curriculum", "bin", "priority"), 3),
    ],
)
def test_a_new_key_finds_its_place_and_every_line_stays(world: World, path: tuple[str, ...], value: Any) -> None:
    changed = change(world, MINE, path, value)
    found = parse_yaml(changed)
    for key in path:
        found = found[key]
    assert found == value
    kept = [line for line in MINE.splitlines() if "training" not in line]
    assert [line for line in changed.splitlines() if line in kept] == kept


@pytest.mark.parametrize(
    "text",
    ["", "# only a comment\n", "tasks:\n", "tasks: {}\n", "tasks: {idle_percent: 30}", "{tasks: {idle_percent: 30}}",
     "tasks:\n    idle_percent: 30\n    generate: {}\n", "? tasks\n: idle_percent: 30\n", "---\nautoplay: true\n...\n",
     "a: &x {b: 1}\ntasks: *x\n", "hero: Ä # ü\ntasks: {}\n"],
)  # fmt: skip
def test_whatever_the_form_the_outcome_is_right(world: World, text: str) -> None:
    before = parse_yaml(text) or {}
    changed = parse_yaml(change(world, text, ("tasks", "generate", "enabled"), False))
    tasks = dict(before.get("tasks") or {})
    tasks["generate"] = dict(tasks.get("generate") or {}) | {"enabled": False}
    assert changed == before | {"tasks": tasks}


def test_what_the_check_refuses_is_not_written(world: World) -> None:
    def refuse(settings: dict[str, Any]) -> None:
        assert settings == {"autoplay": True, "tasks": {"idle_percent": 300}}
        raise BadConfig("no")

    file = world.home / "config.yaml"
    file.write_text("autoplay: true\n")
    with pytest.raises(BadConfig, match=r"^no$"):
        config_edit.change(world, {("tasks", "idle_percent"): 300}, check=refuse)
    assert file.read_text() == "autoplay: true\n"


@pytest.mark.parametrize("text", ["tasks: [1]\n", "tasks: 5\n"])
def test_a_key_that_holds_no_mapping_is_told(world: World, text: str) -> None:
    with pytest.raises(BadConfig, match=r"config\.yaml: tasks: a mapping is expected"):
        change(world, text, ("tasks", "idle_percent"), 30)


def test_without_the_last_look_a_form_that_nothing_can_be_put_into_would_be_spoilt(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sabotage: an alias is changed at its anchor's expense, or not readable at all."""
    text = "a: &x {b: 1}\ntasks: *x\n"
    monkeypatch.setattr(config_edit, "_says", lambda text, settings: True)
    try:
        spoilt = parse_yaml(change(world, text, ("tasks", "b"), 2))
    except yaml.YAMLError:
        return
    assert spoilt != {"a": {"b": 1}, "tasks": {"b": 2}}
