"""The weaver serves trainers only where the settings name them."""

import re

import pytest

from realm import config
from realm.config import RealmConfig
from realm.strict import BadConfig
from realm.weaver import supervisord_config
from realm.weaver.services import services
from realm.world import World


def named(settings: RealmConfig) -> list[str]:
    return [service.name for service in services(settings) if service.name.startswith("trainer-")]


def test_no_trainer_is_served_by_default() -> None:
    assert named(RealmConfig()) == []


def test_named_trainers_are_services() -> None:
    settings = RealmConfig(serve_trainers=("sy", "bin"))
    assert named(settings) == ["trainer-sy", "trainer-bin"]
    assert re.search(
        r"\[program:trainer-sy\]\s+command *= *.* manage\.py trainer sy", supervisord_config.text(services(settings))
    )


@pytest.mark.parametrize("value", ["[BIN]", "[../bin]", "[bin, bin]", "bin"])
def test_what_is_no_skill_is_refused(world: World, value: str) -> None:
    (world.home / "config.yaml").write_text(f"serve_trainers: {value}\n", encoding="utf-8")
    with pytest.raises(BadConfig, match="serve_trainers"):
        config.load(world, {})
