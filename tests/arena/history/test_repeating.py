"""A battle fought once more with one change of its recipe: all else is as it was, and it knows what it repeats."""

from __future__ import annotations

from typing import Any

import pytest

from arena.daemon import battles
from arena.gate import report as reports
from arena.history import recipes, repeating
from arena.history.repeating import CannotRepeat
from arena.models import Battle, Quest
from arena.profiles import quest_recipe
from arena.queue import files as queue
from realm.config import RealmConfig
from realm.world import World
from tests.support.fought import fought
from tests.support.local_gate import admit_one

pytestmark = pytest.mark.django_db
EARLIER: dict[str, Any] = {"rows_per_step": 4, "rows_per_micro_batch": 4, "optimizer": "muon", "epochs": 3}


def repeated(world: World, key: str, value: str, *, confirmed: bool = False) -> repeating.Repeated:
    battle = Battle.objects.get()
    return repeating.repeat(world, RealmConfig(), battle, key=key, value=value, confirmed=confirmed, by="test")


def opened(world: World, key: str, value: str) -> Battle:
    """The battle that the daemon opens on the repeated quest."""
    repeated(world, key, value)
    quest = admit_one(world)
    assert quest is not None
    recipe = quest_recipe.resolve_for(world, RealmConfig(), queue.path_of(world, quest)).recipe
    queue.begin(world, quest)
    return battles.open_battle(world, RealmConfig(), recipe, quest, specs={})


def changed(world: World) -> list[str]:
    first = fought(world, **EARLIER)
    found = recipes.between(world, first, opened(world, "learning_rate", "1e-3"))
    return [change.key for change in found or () if change.key != "base_model"]


def test_only_the_one_key_is_another(world: World) -> None:
    assert changed(world) == ["learning_rate"]
    again = Battle.objects.order_by("-id")[0]
    assert battles.read_order(world, again).repeat_of == "sums-1"


def test_twin_without_the_other_keys_todays_settings_come_in(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    real = repeating.keys_of
    monkeypatch.setattr(repeating, "keys_of", lambda *of: {"learning_rate": real(*of)["learning_rate"]})
    assert {"learning_rate", "epochs"} < set(changed(world))


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("nonsense", "1", "^key: 'nonsense' is no key"), ("epochs", "3", "^value: Nothing is changed"),
        ("epochs", "many", "^value: .*epochs"), ("epochs", "0", "^value: .*epochs"),
        ("beta1", "1.0", "^value: .*below 1"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_by_its_field(world: World, key: str, value: str, why: str) -> None:
    fought(world, **EARLIER)
    with pytest.raises(CannotRepeat, match=why):
        repeated(world, key, value)
    assert not list(world.lane("normal").iterdir())


def test_a_file_that_made_room_is_named(world: World) -> None:
    fought(world)
    Quest.objects.update(file="")
    with pytest.raises(CannotRepeat, match=r"^battle: the file of sums-1 made room"):
        repeated(world, "epochs", "2")


def test_what_the_guild_made_is_fought_again_under_a_name_of_its_own(world: World) -> None:
    battle = fought(world, "bin-level-3-0001")
    repeating.repeat(world, RealmConfig(), battle, key="epochs", value="2", by="test")
    (path,) = [path for path in world.lane("normal").iterdir() if path.suffix == ".jsonl"]
    assert path.name == "again-bin-level-3-0001.jsonl"
    assert reports.read_wishes(path).repeated
