"""A promoted checkpoint is the champion for whoever asks, until it is unpinned or gone."""

import threading
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from guild.champion import crown
from realm.checkpoints import sidecar
from realm.disk import durable
from realm.world import World
from tests.support.treasury import apply, branched, fill, folder_of, name_of, steps
from vault.errors import Damaged, NotFound, Refused
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
    assert crown.crowned(world, "DIO") == {by_rule, name_of(world, 1)}, "neither makes room"
    assert crown.holders(world, "DIO") == {name_of(world, 1)}, "one champion a branch"
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
    assert name_of(world, 1) not in crown.holders(world, "DIO")


@pytest.mark.parametrize("guarded", [True, False])
def test_a_damaged_file_keeps_everything_and_is_not_overwritten(
    world: World, guarded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twin: were it read as empty, the promoted one could be deleted, and the arena would write over the file."""
    fill(world)
    champion.promote(world, "DIO", name_of(world, 1), by="page")
    file = world.heroes / "DIO" / crown.FILE
    file.write_bytes(torn := file.read_bytes()[:-9])
    if not guarded:
        monkeypatch.setattr(crown, "_load", lambda folder: crown._Champions())
        crown.crown(world, "DIO", "val_loss")
        assert trash.delete(world, "DIO", [name_of(world, 1)], by="page").names
        assert file.read_bytes() != torn
        return
    crown.crown(world, "DIO", "val_loss")
    for act in (
        lambda: apply(world),
        lambda: trash.delete(world, "DIO", [name_of(world, 1)], by="page"),
        lambda: champion.promote(world, "DIO", name_of(world, 2), by="page"),
        lambda: champion.unpin(world, "DIO", by="page"),
    ):
        with pytest.raises(Refused, match=r"champion\.json cannot be read"):
            act()
    assert file.read_bytes() == torn
    assert len(steps(world)) == 7


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


def pinned_while_crowned(world: World, monkeypatch: pytest.MonkeyPatch) -> dict[str, crown.Pin]:
    """The arena has read what is remembered and has not written it yet, when a page pins."""
    fill(world)
    write_json, pin = durable.write_json, crown.Pin(name=name_of(world, 1), by="page", at="2026-01-01T12:30:00+00:00")
    page = threading.Thread(target=crown.pin, args=(world, "DIO", "", pin))

    def slow(path: Path, value: Any) -> None:
        monkeypatch.setattr(durable, "write_json", write_json)
        page.start()
        page.join(0.1)  # it has to wait
        write_json(path, value)

    monkeypatch.setattr(durable, "write_json", slow)
    crown.crown(world, "DIO", "val_loss")
    page.join()
    return crown.pins(world, "DIO")


def test_what_is_pinned_while_the_arena_crowns_stays_pinned(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(pinned_while_crowned(world, monkeypatch)) == [""]
    assert len(crown.crowned(world, "DIO")) == 2


def test_twin_without_the_lock_the_pin_is_lost(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crown.locks, "held", lambda *_, **__: nullcontext())
    assert pinned_while_crowned(world, monkeypatch) == {}
