"""The settings file of a fresh world says what is so."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

from arena.recipe import Recipe
from realm import config, config_edit, fresh_config, strict
from realm.config import RealmConfig
from realm.world import World
from realm.yaml_files import parse_yaml

UNCOMMENTED = re.sub(r"^# (?=( {2})*[a-z0-9_]+:)", "", fresh_config.TEMPLATE.read_text(), flags=re.MULTILINE)


def test_every_key_stands_there_with_its_default() -> None:
    told: dict[str, Any] = parse_yaml(UNCOMMENTED)
    training = told.pop("training")
    assert list(training) == [field.name for field in fields(Recipe)]
    assert Recipe(**training | {name: tuple(training[name]) for name in ("lora_targets", "nodes")}) == Recipe()
    assert strict.read(RealmConfig, told, source="world.yaml") == RealmConfig()


def test_a_fresh_world_reads_as_one_without_settings(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.create()
    before = config.load(world, {}, recipe=Recipe)
    assert fresh_config.write(world)
    assert config.load(world, {}, recipe=Recipe) == before


def test_a_key_can_be_set_in_it_and_no_comment_is_lost(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.create()
    fresh_config.write(world)
    config_edit.change(world, {("preset",): "quick-test"}, check=lambda settings: None)
    text = config.config_file(world).read_text()
    assert text.startswith(fresh_config.TEMPLATE.read_text())
    assert config.load(world, {}).preset == "quick-test"


def test_what_a_player_has_is_left_as_it_is(tmp_path: Path) -> None:
    """Settings of their own; and none, in a world that was started before."""
    world = World(tmp_path)
    config.config_file(world).write_text("port: 9000\n")
    assert not fresh_config.write(world)
    config.config_file(world).unlink()
    world.database.touch()
    assert not fresh_config.write(world)
