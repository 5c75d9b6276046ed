"""A copy is dropped only against another that was verified lately and is whole still."""

import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from realm.world import World
from tests.support.checkpoints import WEIGHTS
from vault import VaultKeeper
from vault.copies import dropping
from vault.errors import Refused
from vault.models import Location
from vault.strongholds.registry import StorageRegistry

pytestmark = pytest.mark.django_db
ID = "checkpoint_100_DIO_20260101-1230"


@pytest.fixture
def keeper(world: World, nas: Path, checkpoint: Path) -> VaultKeeper:
    keeper = VaultKeeper(world)
    keeper.copy(ID, "nas")
    return keeper


def local(keeper: VaultKeeper) -> Location:
    return keeper.copy_at(ID, "local")


def drop(keeper: VaultKeeper) -> int:
    return keeper.drop_copy(keeper.copy_at(ID, "nas"))


def test_only_against_one_that_was_verified_lately(keeper: VaultKeeper, nas: Path) -> None:
    with pytest.raises(Refused, match="no other copy was verified within 30 days"):
        drop(keeper)
    keeper.verify_copy(local(keeper))
    Location.objects.filter(stronghold="local").update(verified_at=timezone.now() - timedelta(days=31))
    from vault.models import Checkpoint

    Checkpoint.objects.update(verified_at=timezone.now() - timedelta(days=31))
    with pytest.raises(Refused, match="no other copy was verified"):
        drop(keeper)
    keeper.verify_copy(local(keeper))
    assert drop(keeper) > 1000
    assert not (nas / "checkpoints").exists()
    assert [each.stronghold for each in keeper.locate(ID).locations] == ["local"]


def damage_the_local_one(keeper: VaultKeeper, checkpoint: Path) -> None:
    keeper.verify_copy(local(keeper))
    path = checkpoint / WEIGHTS
    path.write_bytes(path.read_bytes()[:-1] + b"x")


def test_one_that_was_damaged_since_does_not_count(keeper: VaultKeeper, checkpoint: Path, nas: Path) -> None:
    damage_the_local_one(keeper, checkpoint)
    with pytest.raises(Refused, match=WEIGHTS):
        drop(keeper)
    assert list(nas.glob("checkpoints/DIO/*/.ledger.json"))
    assert Location.objects.get(stronghold="local").state == Location.State.DAMAGED


def test_twin_without_reading_it_again_the_last_whole_copy_goes(
    keeper: VaultKeeper, checkpoint: Path, nas: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damage_the_local_one(keeper, checkpoint)
    monkeypatch.setattr(dropping, "verify_copy", lambda *_, **__: None)
    drop(keeper)
    assert not list(nas.glob("checkpoints/DIO/*/.ledger.json"))


def test_a_damaged_copy_goes_without_another_one(keeper: VaultKeeper, checkpoint: Path, nas: Path) -> None:
    Location.objects.filter(stronghold="nas").update(state=Location.State.DAMAGED)
    assert drop(keeper)
    assert not (nas / "checkpoints").exists()


def test_one_that_holds_less_does_not_count(keeper: VaultKeeper, world: World, nas: Path, tmp_path: Path) -> None:
    """As a checkpoint that was thinned here beside its whole there."""
    (tmp_path / "second").mkdir()
    StorageRegistry(world.home).register_stronghold(name="b", stronghold_type="nas", path=tmp_path / "second")
    keeper.copy(ID, "b")
    Location.objects.filter(stronghold="b").update(manifest_sha256="")
    shutil.rmtree(world.heroes / "DIO")
    from realm.checkpoints import sidecar

    (folder,) = (tmp_path / "second").glob("checkpoints/DIO/*")
    saved = sidecar.read(folder)
    (folder / "tokenizer" / "tokenizer.json").unlink()
    from dataclasses import replace

    sidecar.write(folder, replace(saved, files={WEIGHTS: saved.files[WEIGHTS]}))
    with pytest.raises(Refused, match="does not hold as much"):
        drop(keeper)
    keeper.drop_copy(keeper.copy_at(ID, "b"))


def test_what_lies_in_this_world_is_not_dropped_so(keeper: VaultKeeper) -> None:
    with pytest.raises(Refused, match="ledger delete"):
        keeper.drop_copy(local(keeper))
