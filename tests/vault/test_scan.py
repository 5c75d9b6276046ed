import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.forms.models import model_to_dict

from realm.checkpoints import sidecar
from realm.checkpoints.sidecar import SIDECAR, DamagedCheckpoint, Sidecar
from realm.world import World
from tests.support.checkpoints import WEIGHTS, make_checkpoint, rewrite_sidecar
from vault.index import ScanReport, index_checkpoint, scan
from vault.models import Checkpoint

pytestmark = pytest.mark.django_db


def report(listed: int, **found: tuple[str, ...]) -> ScanReport:
    nothing: dict[str, Any] = dict.fromkeys(("added", "updated", "falsified", "removed", "damaged"), ())
    return ScanReport(listed=listed, **(nothing | found))


def rows() -> list[dict[str, Any]]:
    return [model_to_dict(row, exclude=["id"]) for row in Checkpoint.objects.order_by("hero", "name")]


def test_an_empty_world_has_nothing_to_list(world: World) -> None:
    assert scan(world) == report(0)


def test_what_lies_on_disk_is_listed(world: World) -> None:
    folder = make_checkpoint(world.heroes, 100, val_loss=0.25, parent="checkpoint-50-20260101-1200")
    make_checkpoint(world.heroes, 7, hero="EVA", skill=None, level=None, train_loss=None)
    names = ("DIO/checkpoint-100-20260101-1230", "EVA/checkpoint-7-20260101-1230")
    assert scan(world) == report(2, added=names)

    row = Checkpoint.objects.get(hero="DIO")
    assert (row.name, row.step, row.train_loss, row.val_loss) == ("checkpoint-100-20260101-1230", 100, 1.5, 0.25)
    assert (row.skill, row.level, row.quest, row.battle) == ("bin", 1, "bin-level-1-0001", "battle-1")
    assert (row.parent, row.epoch, row.learning_rate) == ("checkpoint-50-20260101-1200", 0, 0.002)
    assert row.created_at.isoformat() == "2026-01-01T12:30:15.250000+00:00"
    assert row.size_bytes == (folder / WEIGHTS).stat().st_size + 2
    assert row.sidecar_sha256 == sidecar.digest(folder / SIDECAR)

    other = Checkpoint.objects.get(hero="EVA")
    assert (other.skill, other.level, other.train_loss, other.parent) == ("", None, None, "")


def count_reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the checkpoints whose sidecars are read from now on."""
    read: list[str] = []
    verify = sidecar.verify

    def count(folder: Path, *, quick: bool = False) -> Sidecar:
        assert quick, "weights are not read"
        read.append(folder.name)
        return verify(folder, quick=quick)

    monkeypatch.setattr(sidecar, "verify", count)
    return read


def test_a_second_scan_finds_nothing_and_reads_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for step in (100, 200, 300):
        make_checkpoint(world.heroes, step)
    scan(world)
    before = rows()
    read = count_reads(monkeypatch)
    assert scan(world) == report(3)
    assert (rows(), read) == (before, [])


def test_a_scan_reads_what_is_new_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for step in (100, 200, 300):
        make_checkpoint(world.heroes, step)
    scan(world)
    fresh = make_checkpoint(world.heroes, 400)
    read = count_reads(monkeypatch)
    assert scan(world) == report(4, added=(f"DIO/{fresh.name}",))
    assert read == [fresh.name]


def test_twin_without_stamps_a_second_scan_reads_every_sidecar(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for step in (100, 200, 300):
        make_checkpoint(world.heroes, step)
    scan(world)
    read = count_reads(monkeypatch)
    monkeypatch.setattr("vault.index._is_unchanged", lambda row, folder, protected: False)
    assert scan(world) == report(3)
    assert len(read) == 3


def test_rows_of_an_earlier_release_are_stamped_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    make_checkpoint(world.heroes, 100)
    scan(world)
    before = rows()
    Checkpoint.objects.update(stamp="")
    assert scan(world) == report(1)
    read = count_reads(monkeypatch)
    assert scan(world) == report(1)
    assert (rows(), read) == (before, [])


def cut_with_the_old_time(folder: Path) -> None:
    path = folder / WEIGHTS
    found = path.stat()
    path.write_bytes(path.read_bytes()[:-1])
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


def test_a_file_that_is_cut_in_place_is_damage_to_the_next_scan(world: World) -> None:
    folder = make_checkpoint(world.heroes, 100)
    scan(world)
    cut_with_the_old_time(folder)
    found = scan(world)
    assert found.removed == (f"DIO/{folder.name}",)
    assert "another size" in found.damaged[0]


def test_twin_a_stamp_of_the_row_alone_sees_no_damage(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vault.unread.stamp_of", lambda folder, facts_digest: facts_digest.hex() or "none")
    folder = make_checkpoint(world.heroes, 100)
    scan(world)
    cut_with_the_old_time(folder)
    assert scan(world) == report(1)


def test_what_was_saved_in_a_battle_is_found_by_an_index() -> None:
    asked = Checkpoint.objects.filter(battle="sums-1").order_by("step")
    assert "checkpoint_by_battle" in asked.explain()


def test_an_index_that_was_lost_comes_back_the_same(world: World) -> None:
    for step in (1, 2, 3):
        make_checkpoint(world.heroes, step)
    scan(world)
    before = rows()
    Checkpoint.objects.all().delete()
    assert len(scan(world).added) == 3
    assert rows() == before


@pytest.mark.parametrize(
    "lie",
    [
        {"train_loss": 0.001},
        {"val_loss": 0.001},
        {"step": 99},
        {"quest": "another"},
        {"level": 9},
        {"parent": "checkpoint-1-20260101-0000"},
        {"size_bytes": 1},
        {"created_at": "2020-01-01T00:00:00+00:00"},
    ],
)
def test_a_falsified_row_is_reported_and_put_right(world: World, lie: dict[str, Any]) -> None:
    make_checkpoint(world.heroes, 100)
    scan(world)
    before = rows()
    Checkpoint.objects.update(**lie)
    assert scan(world) == report(1, falsified=("DIO/checkpoint-100-20260101-1230",))
    assert rows() == before


def test_twin_without_the_comparison_a_lie_stays(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    make_checkpoint(world.heroes, 100)
    scan(world)
    before = rows()
    Checkpoint.objects.update(train_loss=0.001)
    monkeypatch.setattr("vault.index._is_falsified", lambda row, facts: False)
    assert scan(world) == report(1)
    assert rows() != before


def test_a_row_without_a_checkpoint_is_removed(world: World) -> None:
    folder = make_checkpoint(world.heroes, 100)
    make_checkpoint(world.heroes, 200)
    scan(world)
    shutil.rmtree(folder)
    assert scan(world) == report(1, removed=("DIO/checkpoint-100-20260101-1230",))
    assert [row.step for row in Checkpoint.objects.all()] == [200]


def test_another_sidecar_updates_the_row(world: World) -> None:
    folder = make_checkpoint(world.heroes, 100)
    scan(world)
    rewrite_sidecar(folder, val_loss=0.5)
    assert scan(world) == report(1, updated=("DIO/checkpoint-100-20260101-1230",))
    assert Checkpoint.objects.get().val_loss == 0.5


def damage(folder: Path, kind: str) -> None:
    match kind:
        case "no sidecar":
            (folder / SIDECAR).unlink()
        case "torn sidecar":
            path = folder / SIDECAR
            path.write_bytes(path.read_bytes()[:-20])
        case "edited sidecar":
            path = folder / SIDECAR
            path.write_bytes(path.read_bytes().replace(b'"train_loss": 1.5', b'"train_loss": 0.5'))
        case "lost weights":
            (folder / WEIGHTS).unlink()
        case "cut weights":
            (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-1])
        case "stranger":
            (folder / "pickle.bin").touch()
        case "other hero":
            rewrite_sidecar(folder, hero="EVA")
        case "other step":
            rewrite_sidecar(folder, step=99)
        case "other name":
            rewrite_sidecar(folder, name="checkpoint-99-20260101-1230")
        case "no time":
            rewrite_sidecar(folder, created_at="noon")
        case "no offset":
            rewrite_sidecar(folder, created_at="2026-01-01T12:30:15")
        case "level below zero":
            rewrite_sidecar(folder, level=-1)
        case "endless quest":
            rewrite_sidecar(folder, quest="q" * 300)


DAMAGES = {
    "no sidecar": ".ledger.json is missing",
    "torn sidecar": ".ledger.json cannot be read",
    "edited sidecar": ".ledger.json cannot be read",
    "lost weights": "model.safetensors is missing",
    "cut weights": "model.safetensors has another size than when it was saved",
    "stranger": "pickle.bin is not in its sidecar",
    "other hero": "its sidecar belongs to hero EVA",
    "other step": "its sidecar says step 99",
    "other name": "its sidecar belongs to checkpoint-99-20260101-1230",
    "no time": "its sidecar's created_at 'noon' is no time",
    "no offset": "its sidecar's created_at '2026-01-01T12:30:15' has no offset",
    "level below zero": "its sidecar's level cannot be: ",
    "endless quest": "its sidecar's quest cannot be: ",
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_checkpoint_is_named_and_not_listed(world: World, kind: str) -> None:
    damaged = make_checkpoint(world.heroes, 100)
    make_checkpoint(world.heroes, 200)
    scan(world)
    damage(damaged, kind)
    found = scan(world)
    assert found.listed == 1
    assert found.removed == ("DIO/checkpoint-100-20260101-1230",)
    (sentence,) = found.damaged
    assert sentence.startswith(f"DIO/checkpoint-100-20260101-1230: {DAMAGES[kind]}")
    assert [row.step for row in Checkpoint.objects.all()] == [200]


def test_a_step_that_no_database_holds_is_damage_and_no_crash(world: World) -> None:
    make_checkpoint(world.heroes, 10**30)
    found = scan(world)
    assert (found.listed, len(found.damaged)) == (0, 1)
    assert "its sidecar's step cannot be" in found.damaged[0]


def test_unfinished_and_foreign_folders_are_no_checkpoints(world: World) -> None:
    (world.heroes / "DIO" / ".tmp-checkpoint-100-20260101-1230-ab").mkdir(parents=True)
    (world.heroes / "DIO" / "notes").mkdir()
    (world.heroes / "readme.txt").touch()
    assert scan(world) == report(0)


def test_a_checkpoint_indexed_while_a_scan_runs_stays(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The daemon saves and lists a checkpoint just after the scan has walked the folders."""
    from vault import index

    walk = index._walk

    def walk_then_save(*asked: Any) -> Iterator[Any]:
        yield from walk(*asked)
        make_checkpoint(world.heroes, 300)
        index_checkpoint(world, "DIO", "checkpoint-300-20260101-1230")

    monkeypatch.setattr(index, "_walk", walk_then_save)
    assert scan(world) == report(0)
    assert Checkpoint.objects.get().step == 300


def test_one_checkpoint_is_indexed_after_a_save(world: World) -> None:
    folder = make_checkpoint(world.heroes, 100)
    row = index_checkpoint(world, "DIO", folder.name)
    assert (row.hero, row.name, row.step) == ("DIO", folder.name, 100)
    assert index_checkpoint(world, "DIO", folder.name).pk == row.pk
    assert scan(world) == report(1)


def test_a_damaged_one_is_not_indexed(world: World) -> None:
    folder = make_checkpoint(world.heroes, 100)
    damage(folder, "cut weights")
    with pytest.raises(DamagedCheckpoint, match=r"model\.safetensors has another size"):
        index_checkpoint(world, "DIO", folder.name)
    with pytest.raises(DamagedCheckpoint, match="is missing"):
        index_checkpoint(world, "DIO", "checkpoint-1-20260101-0000")
    assert not Checkpoint.objects.exists()


def test_what_is_deleted_while_it_is_looked_at_is_no_damage(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, verify = make_checkpoint(world.heroes, 100), sidecar.verify

    def late(place: Path, *, quick: bool) -> sidecar.Sidecar:
        folder.rename(world.home / "away")
        return verify(place, quick=quick)

    monkeypatch.setattr(sidecar, "verify", late)
    assert scan(world) == report(0)
