"""Single keys of `config.yaml` are changed; all else stays as the player wrote it."""

from __future__ import annotations

from typing import Any

import pytest

from realm import config_edit
from realm.strict import BadConfig
from realm.world import World
from realm.yaml_files import parse_yaml

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
    assert changed == MINE.replace("900 ", "60  ")  # the comment keeps its column


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


@pytest.mark.parametrize("text", ["", "# only a comment\n", "tasks:\n", MINE])
@pytest.mark.parametrize("path", [("hero",), ("training", "seed"), ("tasks", "sparring", "skills", "bin")])
def test_taking_out_what_does_not_stand_there_changes_nothing(world: World, text: str, path: tuple[str, ...]) -> None:
    assert change(world, text, path, config_edit.ABSENT) == text


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


SPELLINGS = """\
port:   0x2329      # in hexadecimal
autoplay: yes
hero: 'DIO'
base_model: ~
training: { learning_rate: 2e-4,   seed: 1_000 }
tasks:
    idle_percent: 30

    generate: {enabled: off}   # never
serve_trainers:
- bin
-   sy
"""


def test_every_other_line_is_left_in_the_players_own_spelling(world: World) -> None:
    changed = change(world, SPELLINGS, ("tasks", "idle_percent"), 50)
    assert changed == SPELLINGS.replace("30", "50")
    changed = change(world, SPELLINGS, ("tasks", "health_check", "enabled"), False)
    assert changed == SPELLINGS.replace("tasks:\n", "tasks:\n    health_check:\n        enabled: false\n")


def test_twin_without_the_players_lines_what_is_not_changed_is_spelt_anew(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config_edit, "_respelt", lambda after, before, text: after)
    changed = change(world, SPELLINGS, ("tasks", "idle_percent"), 50)
    assert "autoplay: true" in changed
    assert parse_yaml(changed) == parse_yaml(SPELLINGS.replace("30", "50"))


@pytest.mark.parametrize("value", ["no", "2e-4", "null", "a: b # c", "Ä", "", "007", 2e-4, 1e-30, None, True, ["x"]])
def test_what_is_put_in_is_read_as_what_it_was(world: World, value: Any) -> None:
    assert parse_yaml(change(world, MINE, ("hero",), value))["hero"] == value


UNCHANGEABLE = "base: &x {generate: {enabled: true}}\ntasks:\n  <<: *x\n"
"""A key below one that is merged in would be changed for all who merge it."""
COMMENTED = "tasks:\n  generate:\n    enabled: false   # never\n"


@pytest.mark.parametrize(
    ("text", "path"), [(UNCHANGEABLE, ("tasks", "generate", "enabled")), (COMMENTED, ("tasks", "generate"))]
)
def test_what_cannot_be_changed_without_a_loss_is_told_and_left(world: World, text: str, path: tuple[str, ...]) -> None:
    with pytest.raises(BadConfig, match=rf"config\.yaml: {'.'.join(path)} cannot be changed in the form that the file"):
        change(world, text, path, False)
    assert (world.home / "config.yaml").read_text() == text


def test_a_key_that_is_merged_in_cannot_be_taken_out(world: World) -> None:
    with pytest.raises(BadConfig, match=r"config\.yaml: tasks\.generate cannot be changed in the form that the file"):
        change(world, UNCHANGEABLE, ("tasks", "generate"), config_edit.ABSENT)
    assert (world.home / "config.yaml").read_text() == UNCHANGEABLE


def test_twin_without_the_last_look_keys_and_comments_are_lost(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config_edit, "_is_whole", lambda edited, text, wanted: True)
    spoilt = parse_yaml(change(world, UNCHANGEABLE, ("tasks", "generate", "enabled"), False))
    assert spoilt["base"] == {"generate": {"enabled": False}}
    assert "# never" not in change(world, COMMENTED, ("tasks", "generate"), False)
