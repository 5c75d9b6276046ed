from pathlib import Path

import pytest

from realm import durable, sidecar
from realm.world import World
from tests.checkpoints import make_checkpoint
from vault import retention, services
from vault.models import Checkpoint

pytestmark = pytest.mark.django_db


def names(world: World) -> list[int | None]:
    return [sidecar.step_of(path.name) for path in sidecar.checkpoint_folders(world.heroes / "DIO")]


def fill(world: World) -> None:
    for step in range(1, 8):
        make_checkpoint(world.heroes, step, train_loss=0.5 if step == 2 else 1.0, val_loss=0.5 if step == 3 else 1.0)
    services.scan(world)


def test_the_newest_and_the_best_stay(world: World) -> None:
    fill(world)
    assert len(retention.prune(world, "DIO", keep=3)) == 2
    assert names(world) == [7, 6, 5, 3, 2]
    assert sorted(Checkpoint.objects.values_list("step", flat=True)) == [2, 3, 5, 6, 7]
    assert retention.prune(world, "DIO", keep=3) == []


def test_a_folder_that_is_not_listed_is_left_alone(world: World) -> None:
    fill(world)
    (sidecar.checkpoint_folders(world.heroes / "DIO")[-1] / sidecar.SIDECAR).unlink()
    services.scan(world)
    retention.prune(world, "DIO", keep=2)
    assert 1 in names(world)


def test_killed_half_way_leaves_no_half_checkpoint(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(world)

    def die(folder: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(retention.shutil, "rmtree", die)
    with pytest.raises(KeyboardInterrupt):
        retention.prune(world, "DIO", keep=2)
    monkeypatch.undo()
    for folder in sidecar.checkpoint_folders(world.heroes / "DIO"):
        sidecar.verify(folder)
    assert len(durable.sweep_temps(world.heroes / "DIO")) == 1


@pytest.mark.parametrize("keep", [-1, 0, 1])
def test_fewer_than_two_are_never_kept(world: World, keep: int) -> None:
    with pytest.raises(ValueError, match="too small"):
        retention.prune(world, "DIO", keep=keep)
