"""A promoted checkpoint is the champion for whoever asks, until it is unpinned or gone."""

import pytest

from guild.champion import crown
from realm.checkpoints import sidecar
from realm.world import World
from tests.support.treasury import apply, branched, fill, folder_of, name_of, steps
from vault.errors import Damaged, NotFound
from vault.treasury import champion, trash

pytestmark = pytest.mark.django_db


def holder(world: World) -> str:
    found = crown.champion(world, "DIO", "val_loss")
    assert found
    return found.name


def test_until_one_is_promoted_the_rule_decides(world: World) -> None:
    fill(world)
    by_rule = name_of(world, 3)
    crown.crown(world, "DIO", "val_loss")
    assert holder(world) == by_rule
    promotion = champion.promote(world, "DIO", name_of(world, 1), by="page")
    assert "is the champion of branch 1 until it is unpinned" in promotion.message
    assert "has not loaded it" in promotion.message  # no host lives here
    assert promotion.loaded_by == ()

    pinned = crown.crown(world, "DIO", "val_loss")
    assert pinned
    assert pinned.name == holder(world) == name_of(world, 1)
    assert pinned.why.startswith("promoted by page on 20")
    assert crown.champion(world, "DIO", "levels") == crown.champion(world, "DIO", "levels")
    assert crown.best(world, "DIO", "val_loss") == by_rule
    apply(world, 2, budget_bytes=0)
    assert 1 in steps(world)

    assert champion.unpin(world, "DIO", by="page") == name_of(world, 1)
    assert holder(world) == by_rule
    with pytest.raises(NotFound):
        champion.unpin(world, "DIO", by="page")


def test_one_that_is_gone_or_damaged_does_not_hold(world: World) -> None:
    fill(world)
    champion.promote(world, "DIO", name_of(world, 1), by="page")
    (folder_of(world, 1) / "model.safetensors").unlink()
    assert holder(world) == name_of(world, 3)
    assert "gone or damaged" in crown.lost_pin(world, "DIO")


def test_a_damaged_one_is_not_promoted(world: World) -> None:
    fill(world)
    (folder_of(world, 1) / "model.safetensors").write_bytes(
        b"x" * (folder_of(world, 1) / "model.safetensors").stat().st_size
    )
    with pytest.raises(Damaged, match=r"model\.safetensors has changed"):
        champion.promote(world, "DIO", name_of(world, 1), by="page")
    with pytest.raises(NotFound):
        champion.promote(world, "DIO", "../EVA", by="page")


def test_one_of_another_branch_is_the_champion_of_that_one(world: World) -> None:
    branched(world)
    promotion = champion.promote(world, "DIO", name_of(world, 7), by="page")
    assert promotion.branch == ""
    assert "DIO is on branch 2, whose champion stays" in promotion.message
    assert holder(world) != name_of(world, 7)
    assert champion.promote(world, "DIO", name_of(world, 3), by="page").branch == "2"
    assert holder(world) == name_of(world, 3)
    assert sidecar.verify(folder_of(world, 3))


def test_one_that_is_deleted_while_it_is_proven_is_not_promoted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(world)
    name, prove = name_of(world, 1), champion._prove

    def slow(world: World, hero: str, name: str) -> sidecar.Sidecar:
        saved = prove(world, hero, name)
        trash.delete(world, hero, [name], by="page")
        return saved

    monkeypatch.setattr(champion, "_prove", slow)
    with pytest.raises(NotFound):
        champion.promote(world, "DIO", name, by="page")
    assert crown.pins(world, "DIO") == {}
