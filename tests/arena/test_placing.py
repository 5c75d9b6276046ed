"""Battles and checkpoints on another disk: moved, fought on, brought home; and nothing made where a mount is gone."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from arena import placing
from arena.placing import PlacingRefused
from arena.protocol import TRAINER_LOCK_FILE, Order, portable_path, resolved_path
from arena.status import LOCK_FILE
from realm import placed_folders
from realm.checkpoints.names import checkpoint_folders
from realm.disk import durable, locks, storage_check
from realm.placed_folders import FolderGone
from realm.world import World
from tests.support import tiny_hero
from tests.support.runs import digests, run


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(tmp_path / "world")
    made.create()
    monkeypatch.setenv("REALM_HOME", str(made.home))
    return made


@pytest.fixture
def nas(tmp_path: Path) -> Path:
    folder = tmp_path / "nas" / "realm"
    folder.mkdir(parents=True)
    return folder


def played(world: World) -> Path:
    file = world.heroes / "DIO" / "checkpoint-5-20260101-1200" / "model.safetensors"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"weights")
    return file


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_lies_there_is_moved_and_comes_home(world: World, nas: Path) -> None:
    file = played(world)
    before = tree(world.heroes)
    done = placing.place(world, "checkpoints", nas)
    assert world.heroes.is_symlink()
    assert tree(nas / "checkpoints") == before == tree(world.heroes)
    assert done.kept is not None
    assert tree(done.kept) == before
    assert done.files == 1
    placed_folders.check(world)
    file.write_bytes(b"trained on")
    placing.bring_home(world, "checkpoints")
    assert not world.heroes.is_symlink()
    assert tree(world.heroes) == tree(nas / "checkpoints") != before
    placed_folders.check(world)


def test_a_fresh_world_leaves_nothing_behind(world: World, nas: Path) -> None:
    assert placing.place(world, "battles", nas).kept is None
    (world.battles / "q-1").mkdir()
    assert (nas / "battles" / "q-1").is_dir()


def test_what_comes_back_otherwise_than_it_was_written_is_no_copy(
    world: World, nas: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    played(world)
    copy = shutil.copy2

    def flipping(source: Path, target: Path) -> None:
        copy(source, target)
        target.write_bytes(b"weighty")

    monkeypatch.setattr(shutil, "copy2", flipping)
    with pytest.raises(PlacingRefused, match="is not what was written there"):
        placing.place(world, "checkpoints", nas)
    assert not world.heroes.is_symlink()
    assert list(nas.iterdir()) == []


@pytest.mark.parametrize("running", ["daemon", "weaver", "trainer"])
def test_a_world_that_runs_is_not_moved(world: World, nas: Path, running: str) -> None:
    played(world)
    lock = {
        "daemon": world.control / LOCK_FILE,
        "weaver": world.control / "weaver.lock",
        "trainer": world.heroes / "DIO" / TRAINER_LOCK_FILE,
    }[running]
    with locks.only_one(lock), pytest.raises(PlacingRefused, match="is running"):
        placing.place(world, "checkpoints", nas)
    assert list(nas.iterdir()) == []


def test_what_is_no_place_is_refused(world: World, nas: Path) -> None:
    with pytest.raises(PlacingRefused, match="is not there: mount it"):
        placing.place(world, "battles", nas / "not mounted")
    with pytest.raises(PlacingRefused, match="lies in this world"):
        placing.place(world, "battles", world.home)
    (nas / "battles").mkdir()
    with pytest.raises(PlacingRefused, match="is there already"):
        placing.place(world, "battles", nas)
    with pytest.raises(PlacingRefused, match="in this world"):
        placing.bring_home(world, "battles")


# ----------------------------------------------------------------------------------------------------------------------
# A mount that is gone.


def unmounted(nas: Path) -> None:
    """The mount point stays, and is empty."""
    nas.rename(nas.with_name("elsewhere"))
    nas.mkdir()


@pytest.mark.parametrize("name", placed_folders.NAMES)
def test_a_mount_that_is_gone_is_told_and_nothing_is_made_in_its_place(world: World, nas: Path, name: str) -> None:
    played(world)
    placing.place(world, name, nas)
    unmounted(nas)
    with pytest.raises(FolderGone, match=r"is not there: mount it.*nothing was made in its place"):
        placed_folders.check(world)
    world.create()
    assert list(nas.iterdir()) == []
    nas.rmdir()
    nas.with_name("elsewhere").rename(nas)
    placed_folders.check(world)


def test_twin_without_heed_of_links_an_empty_world_would_lie_there(world: World, nas: Path) -> None:
    """What a missing folder leads to where no link stands for it."""
    played(world)
    placing.place(world, "checkpoints", nas)
    world.heroes.unlink()
    world.create()
    assert list(world.heroes.iterdir()) == []
    with pytest.raises(FolderGone, match="should lead to"):
        placed_folders.check(world)


def test_another_disk_under_the_same_path_is_not_believed(world: World, nas: Path) -> None:
    placing.place(world, "battles", nas)
    mark = placed_folders.mark_path(nas / "battles")
    mark.write_text(json.dumps(json.loads(mark.read_bytes()) | {"token": "another"}))
    with pytest.raises(FolderGone, match="is not the folder in which the battles"):
        placed_folders.check(world)


def test_a_link_of_the_players_own_that_leads_nowhere_is_told_too(world: World, nas: Path) -> None:
    world.battles.rmdir()
    world.battles.symlink_to(nas / "battles")
    with pytest.raises(FolderGone, match="which is not there: mount it"):
        placed_folders.check(world)


def test_a_trainer_does_not_begin_a_hero_anew_where_its_mount_is_gone(world: World, nas: Path) -> None:
    order = placed_order(world)
    placing.place(world, "checkpoints", nas)
    unmounted(nas)
    with pytest.raises(OSError, match=r"File exists|No such file"):
        run(order)
    assert list(nas.iterdir()) == []


# ----------------------------------------------------------------------------------------------------------------------
# Paths that lead out of what is a link.


def placed_order(world: World) -> Order:
    """Of a battle whose folders lie as a world has them."""
    scratch = world.home / "made"
    scratch.mkdir()
    made = tiny_hero.make_order(scratch, rows=24)
    battle, hero = world.battles / "q-1", world.heroes / "DIO"
    battle.mkdir()
    hero.mkdir()
    base = shutil.move(made.base_model, world.models / "base")
    order = replace(made, battle_folder=str(battle), hero_folder=str(hero), base_model=str(base))
    order.write()
    return order


@pytest.mark.slow
def test_a_battle_goes_on_where_its_folders_were_moved(world: World, nas: Path) -> None:
    order = placed_order(world)
    path = Path(order.battle_folder) / "order.json"
    run(Order.read(path))
    before = digests(order)
    for name in placed_folders.NAMES:
        placing.place(world, name, nas)
    again = Order.read(path)
    assert (again.hero_folder, again.base_model) == (order.hero_folder, order.base_model)
    run(again)  # its checkpoint is found, its base model too: there is nothing left to do
    assert digests(order) == before
    assert len(checkpoint_folders(nas / "checkpoints" / "DIO")) == len(checkpoint_folders(Path(order.hero_folder)))


def test_a_path_out_of_a_link_is_as_the_world_calls_it(world: World, nas: Path) -> None:
    hero, base = world.heroes / "DIO", world.models / "base"
    hero.mkdir()
    said = portable_path(str(base), hero)
    placing.place(world, "checkpoints", nas)
    assert resolved_path(said, hero) == resolved_path(said, hero.resolve()) == str(base)


def test_twin_by_the_link_alone_it_leads_astray(world: World, nas: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placed_folders, "within", lambda _, path: path)
    hero, base = world.heroes / "DIO", world.models / "base"
    hero.mkdir()
    said = portable_path(str(base), hero)
    placing.place(world, "checkpoints", nas)
    assert resolved_path(said, hero) != str(base)


# ----------------------------------------------------------------------------------------------------------------------
# What a file server may not do.


def refusing(patch: pytest.MonkeyPatch, name: str, code: int) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    patch.setattr(os, name, refuse)


def test_a_local_folder_does_all_and_keeps_nothing_of_the_trial(tmp_path: Path) -> None:
    assert storage_check.try_out(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("code", [22, 95])
def test_a_server_that_syncs_no_folders_is_told_and_saves_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    sync = os.fsync

    def files_only(handle: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{handle}"):
            raise OSError(code, os.strerror(code))
        sync(handle)

    monkeypatch.setattr(os, "fsync", files_only)
    (told,) = storage_check.try_out(tmp_path)
    assert "syncs no folder" in told
    durable.write_bytes(tmp_path / "file", b"1")


def test_a_folder_whose_sync_fails_is_an_error_as_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refusing(monkeypatch, "fsync", 5)
    with pytest.raises(OSError, match="Input/output"):
        durable.sync_folder(tmp_path)


def test_one_that_locks_nothing_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "is_held", lambda _: False)
    with pytest.raises(storage_check.Unfit, match="locks no file"):
        storage_check.try_out(tmp_path)


def test_one_that_names_nothing_without_replacing_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refusing(monkeypatch, "link", 95)
    monkeypatch.setattr(durable, "_rename_without_replacing", lambda *_: os.link("a", "b"))
    with pytest.raises(storage_check.Unfit, match="without replacing"):
        storage_check.try_out(tmp_path)
