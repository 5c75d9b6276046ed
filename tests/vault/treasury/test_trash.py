"""Deleted checkpoints come back until the trash is emptied, and are nobody's checkpoints meanwhile."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from unittest.mock import Mock

import pytest

from realm.checkpoints import branches, sidecar
from realm.checkpoints.names import step_of
from realm.disk import durable
from realm.world import World
from tests.support.checkpoints import make_checkpoint
from tests.support.treasury import apply, checkpoints, config, fill, folder_of, name_of, steps
from vault import chronicle, index
from vault.errors import NotFound, Refused
from vault.models import Checkpoint
from vault.treasury import shelf, trash

pytestmark = pytest.mark.django_db


def test_what_is_deleted_comes_back(world: World) -> None:
    fill(world)
    names = [name_of(world, 1), name_of(world, 4)]
    before = sidecar.verify(folder_of(world, 4))
    deleted = trash.delete(world, "DIO", names, by="page", why="too many")
    assert steps(world) == [7, 6, 5, 3, 2]
    (entry,) = trash.list_trash(world)
    assert (entry.entry, entry.by, entry.why) == (deleted.entry, "page", "too many")
    assert set(entry.checkpoints) == set(names)
    assert entry.size_bytes == deleted.size_bytes > 0
    assert index.scan(world).listed == 5
    assert [path.name for path in branches.line_folders(world.heroes / "DIO") if path.name in names] == []

    assert set(trash.undo(world, deleted.entry, by="page").names) == set(names)
    assert steps(world) == [7, 6, 5, 4, 3, 2, 1]
    assert sidecar.verify(folder_of(world, 4)) == before
    assert Checkpoint.objects.count() == 7
    assert trash.list_trash(world) == []
    assert [line.action for line in chronicle.read(world)] == ["delete", "delete", "undo", "undo"]
    with pytest.raises(NotFound):
        trash.undo(world, deleted.entry, by="page")


def test_all_or_none(world: World) -> None:
    fill(world)
    with pytest.raises(Refused, match="newest whole"):
        trash.delete(world, "DIO", [name_of(world, 1), name_of(world, 7)], by="page")
    assert len(steps(world)) == 7


@pytest.mark.parametrize("name", ["..", "", "../EVA", "checkpoint-9-20260101-1230", ".trash", "damaged-checkpoint-1"])
def test_what_is_no_checkpoint_is_not_deleted(world: World, name: str) -> None:
    fill(world)
    with pytest.raises(NotFound):
        trash.delete(world, "DIO", [name], by="page")


@pytest.mark.parametrize("entry", ["..", "", "../../..", "20260101-120000-abcdef", "20260101-120000-abcdef/.."])
def test_what_is_no_entry_is_not_undone(world: World, entry: str) -> None:
    fill(world)
    with pytest.raises(NotFound, match="holds no entry"):
        trash.undo(world, entry, by="page")


def test_a_name_given_anew_since_is_not_overwritten(world: World) -> None:
    fill(world)
    deleted = trash.delete(world, "DIO", [name_of(world, 1)], by="page")
    make_checkpoint(world.heroes, 1)
    with pytest.raises(Refused, match="another checkpoint"):
        trash.undo(world, deleted.entry, by="page")
    assert len(trash.list_trash(world)) == 1


def test_an_adapter_comes_back_after_what_it_sits_on(world: World) -> None:
    fill(world)
    base = name_of(world, 1)
    make_checkpoint(world.heroes, 8, mode="lora", adapter_base=base)
    make_checkpoint(world.heroes, 9)
    make_checkpoint(world.heroes, 10)
    index.scan(world)
    adapter = trash.delete(world, "DIO", [name_of(world, 8)], by="page")
    under = trash.delete(world, "DIO", [base], by="page")
    with pytest.raises(Refused, match="undo its deletion first"):
        trash.undo(world, adapter.entry, by="page")
    trash.undo(world, under.entry, by="page")
    trash.undo(world, adapter.entry, by="page")
    assert steps(world)[-1:] == [1]
    assert 8 in steps(world)
    together = trash.delete(world, "DIO", [name_of(world, 8), base], by="page")
    assert len(trash.undo(world, together.entry, by="page").names) == 2


def test_emptied_is_gone_for_good(world: World) -> None:
    fill(world)
    deleted = trash.delete(world, "DIO", [name_of(world, 1)], by="page")
    emptied = trash.empty(world, by="page")
    assert (emptied.entries, emptied.size_bytes) == ((deleted.entry,), deleted.size_bytes)
    assert list((world.heroes / "DIO" / trash.FOLDER).iterdir()) == []
    with pytest.raises(NotFound):
        trash.undo(world, deleted.entry, by="page")


def aged(world: World, entry: str, **changes: str) -> None:
    path = world.heroes / "DIO" / trash.FOLDER / entry / trash.FILE
    (found,) = [one for one in trash.list_trash(world) if one.entry == entry]
    durable.write_json(path, replace(found, **changes).__dict__)


def test_the_trash_is_trimmed_by_age_and_size_what_rules_deleted_first(world: World) -> None:
    fill(world)
    mine = trash.delete(world, "DIO", [name_of(world, 1)], by="page")
    old = trash.delete(world, "DIO", [name_of(world, 2)], by="page")
    aged(world, old.entry, at=(datetime.now().astimezone() - timedelta(days=8)).isoformat())
    apply(world, 3, trash_gb=2 * mine.size_bytes / 1e9)
    left = trash.list_trash(world)
    assert old.entry not in [one.entry for one in left]
    assert {one.by for one in left} == {"page", "arena"}
    apply(world, 2, trash_gb=1.5 * mine.size_bytes / 1e9)
    assert [one.entry for one in trash.list_trash(world)] == [mine.entry]


def test_twin_without_trimming_the_trash_grows(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(world)
    monkeypatch.setattr(shelf, "trim", lambda *_, **__: ())
    size = trash.delete(world, "DIO", [name_of(world, 1)], by="page").size_bytes
    trash.delete(world, "DIO", [name_of(world, 2)], by="page")
    apply(world, 3, trash_gb=1.5 * size / 1e9)
    assert sum(one.size_bytes for one in trash.list_trash(world)) > 1.5 * size


def test_what_does_not_fit_the_trash_is_gone_at_once(world: World) -> None:
    fill(world)
    applied = apply(world, 3, trash_gb=0.0)
    assert (len(applied.deleted), applied.entry) == (2, "")
    assert trash.list_trash(world) == []


def test_a_trash_that_leads_elsewhere_is_not_used(world: World) -> None:
    fill(world)
    elsewhere = world.home / "elsewhere"
    elsewhere.mkdir()
    (world.heroes / "DIO" / trash.FOLDER).symlink_to(elsewhere)
    with pytest.raises(Refused, match="is a link"):
        trash.delete(world, "DIO", [name_of(world, 1)], by="page")
    assert trash.list_trash(world) == []
    assert list(elsewhere.iterdir()) == []


def test_an_entry_whose_file_is_damaged_can_be_undone(world: World) -> None:
    fill(world)
    deleted = trash.delete(world, "DIO", [name_of(world, 1)], by="page")
    (world.heroes / "DIO" / trash.FOLDER / deleted.entry / trash.FILE).write_text("{")
    (entry,) = trash.list_trash(world)
    assert entry.size_bytes == deleted.size_bytes
    trash.undo(world, deleted.entry, by="page")
    assert 1 in steps(world)


def destroy(world: World) -> None:
    trash.destroy(world, "DIO", [name_of(world, 1)])


def empty(world: World) -> None:
    trash.delete(world, "DIO", [name_of(world, 1)], by="page")
    trash.empty(world, by="page")


@pytest.mark.parametrize("act", [destroy, empty])
def test_killed_half_way_leaves_no_half_checkpoint(
    world: World, monkeypatch: pytest.MonkeyPatch, act: Callable[[World], None]
) -> None:
    fill(world)

    def die(folder: Path) -> None:
        (folder / sidecar.SIDECAR).unlink(missing_ok=True)
        raise KeyboardInterrupt

    monkeypatch.setattr(trash.shutil, "rmtree", die)
    with pytest.raises(KeyboardInterrupt):
        act(world)
    monkeypatch.undo()
    for folder in checkpoints(world):
        sidecar.verify(folder)
    assert trash.list_trash(world) == []
    assert step_of(checkpoints(world)[-1].name) == 2
    trash.empty(world, by="page")
    assert shelf.sweep(world, "DIO") == []
    assert len(durable.sweep_temps(world.heroes / "DIO")) == (act is destroy)


def test_the_config_is_read_where_none_is_given(world: World) -> None:
    fill(world)
    assert trash.delete(world, "DIO", [name_of(world, 1)], by="page", config=config()).names


def test_what_is_emptied_while_it_is_listed_holds_nothing(world: World) -> None:
    gone = world.heroes / "DIO" / trash.FOLDER / "20260101-120000-abcdef"
    assert trash._read_entry(gone).checkpoints == {}


def check_read_once_and_anew_after_a_change(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(world)
    one, two = (trash.delete(world, "DIO", [name_of(world, step)], by="page").entry for step in (1, 4))
    monkeypatch.setattr(trash, "_SETTLED_NS", 0)
    monkeypatch.setattr(trash, "_read_entry", read := Mock(wraps=trash._read_entry))
    for _ in range(3):
        assert [entry.entry for entry in trash.list_trash(world)] == sorted([one, two], reverse=True)
    assert read.call_count == 2, "read once"
    name = next(iter(trash.list_trash(world)[0].checkpoints))
    place = world.heroes / "DIO" / trash.FOLDER / max(one, two)
    (place / name).rename(world.home / name)
    assert [entry.entry for entry in trash.list_trash(world)] == [min(one, two)], "changed"


def test_an_entry_is_read_once_until_it_changes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    check_read_once_and_anew_after_a_change(world, monkeypatch)


@pytest.mark.parametrize(("mark", "what"), [(None, "read once"), ((1,), "changed")])
def test_twin_with_no_mark_or_always_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch, mark: tuple[int, ...] | None, what: str
) -> None:
    monkeypatch.setattr(trash, "_mark", lambda place: mark)
    with pytest.raises(AssertionError, match=what):
        check_read_once_and_anew_after_a_change(world, monkeypatch)
