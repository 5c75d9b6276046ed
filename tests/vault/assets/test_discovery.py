"""Assets and copies as they lie on the disk and in strongholds."""

import os
import shutil
from pathlib import Path

import pytest

from realm.world import World
from tests.support.checkpoints import WEIGHTS, make_checkpoint
from vault import VaultDiscovery, VaultKeeper
from vault.assets import local
from vault.models import Asset, Location
from vault.strongholds.registry import StorageRegistry

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_zones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vault.assets.discovery.refresh", lambda world: [])


def ids() -> list[str]:
    return sorted(Asset.objects.values_list("asset_id", flat=True))


def furnish(world: World) -> None:
    make_checkpoint(world.heroes, 100)
    (world.models / "Qwen3-0.6B").mkdir()
    (world.models / "Qwen3-0.6B" / "config.json").write_text("{}")
    (world.lane("normal") / "train_syllo_abc.jsonl").write_text("{}\n")
    (world.home / "config.yaml").write_text("autoplay: false\n")
    (world.presets / "mine.yaml").write_text("threads: 2\n")


def test_a_name_that_is_no_text_is_told_as_damage_and_the_rest_is_found(world: World) -> None:
    furnish(world)
    Path(os.fsdecode(os.fsencode(world.home / "data") + b"/\xff.jsonl")).touch()
    report = VaultDiscovery(world).scan_all()
    assert (len(ids()), len(report.damaged)) == (5, 1)
    assert "\\udcff" in report.damaged[0]


def test_everything_of_a_world_is_found(world: World) -> None:
    furnish(world)
    report = VaultDiscovery(world).scan_all()
    found = [
        "checkpoint_100_DIO_20260101-1230",
        "config_config",
        "config_mine",
        "data_train_syllo_abc",
        "model_qwen3_0.6b",
    ]
    assert ids() == report.added == found
    assert (report.assets, report.copies, report.damaged, report.silent) == (5, 5, [], {})
    again = VaultDiscovery(world).scan_all()
    assert (ids(), again.added, again.gone) == (found, [], [])


def test_only_what_changed_is_read_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    furnish(world)
    VaultDiscovery(world).scan_local()
    read, of_path = [], local.manifests.of_path

    def note(asset_id: str, kind: str, path: Path) -> local.Manifest:
        read.append(asset_id)
        return of_path(asset_id, kind, path)

    monkeypatch.setattr(local.manifests, "of_path", note)
    (world.home / "config.yaml").write_text("autoplay: true # again\n")
    VaultDiscovery(world).scan_local()
    assert read == ["config_config"]


def test_what_is_gone_is_said_and_no_longer_listed(world: World) -> None:
    furnish(world)
    VaultDiscovery(world).scan_local()
    (world.lane("normal") / "train_syllo_abc.jsonl").unlink()
    shutil.rmtree(world.heroes / "DIO")
    report = VaultDiscovery(world).scan_local()
    assert report.gone == ["data_train_syllo_abc at local"]
    assert report.ledger.removed == ("DIO/checkpoint-100-20260101-1230",)
    assert ids() == ["config_config", "config_mine", "model_qwen3_0.6b"]


def test_two_things_of_one_name_are_two_assets_and_equal_ones_are_copies(world: World) -> None:
    for lane, text in (("high", "{}\n"), ("normal", "{}{}\n"), ("low", "{}\n")):
        (world.lane(lane) / "q.jsonl").write_text(text)
    VaultDiscovery(world).scan_local()
    first, second = ids()
    assert (first, second.startswith("data_q_")) == ("data_q", True)
    assert Location.objects.filter(asset__asset_id="data_q").count() == 2


def test_a_damaged_checkpoint_is_marked_and_not_forgotten(world: World) -> None:
    folder = make_checkpoint(world.heroes, 100)
    VaultDiscovery(world).scan_local()
    (folder / WEIGHTS).unlink()
    report = VaultDiscovery(world).scan_local()
    assert "model.safetensors is missing" in report.damaged[0]
    assert Location.objects.get().state == Location.State.DAMAGED


@pytest.mark.slow
def test_strongholds_are_looked_through(world: World, tmp_path: Path) -> None:
    """A copy that was made by hand is found; one that vanished or was damaged is said; silence changes nothing."""
    nas = tmp_path / "nas"
    nas.mkdir()
    StorageRegistry(world.home).register_stronghold(name="nas", stronghold_type="nas", path=nas)
    by_hand = shutil.copytree(make_checkpoint(tmp_path / "old", 50), nas / "backup" / "checkpoint-50-20260101-1230")
    make_checkpoint(world.heroes, 100)
    report = VaultDiscovery(world).scan_all()
    assert "checkpoint_50_DIO_20260101-1230" in report.added
    keeper = VaultKeeper(world)
    copied = nas / keeper.copy("checkpoint_100", "nas").path
    best = keeper.locate("checkpoint_50").best_location
    assert best is not None
    assert (best.path, best.verified_at) == (str(by_hand), None)

    (copied / ".ledger.json").write_text("{}")
    shutil.rmtree(by_hand)
    report = VaultDiscovery(world).scan_all()
    assert report.gone == ["checkpoint_50_DIO_20260101-1230 at nas"]
    assert [each.partition(":")[0] for each in report.damaged] == ["checkpoint_100_DIO_20260101-1230 at nas"]
    states = dict(Location.objects.filter(stronghold="nas").values_list("asset__step", "state"))
    assert states == {50: "missing", 100: "damaged"}

    keeper.copy("checkpoint_100", "nas")
    shutil.rmtree(nas)
    nas.mkdir()
    report = VaultDiscovery(world).scan_all()
    assert "is not there" in report.silent["nas"]
    assert Location.objects.get(stronghold="nas", asset__step=100).state == "present"
