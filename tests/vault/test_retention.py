from datetime import UTC, datetime
from pathlib import Path

import pytest

from realm.checkpoints import branches, sidecar
from realm.checkpoints.names import checkpoint_folders, step_of
from realm.disk import durable
from realm.world import World
from tests.support.checkpoints import make_checkpoint
from vault import index, retention
from vault.models import Checkpoint

pytestmark = pytest.mark.django_db


def names(world: World) -> list[int | None]:
    return [step_of(path.name) for path in checkpoint_folders(world.heroes / "DIO")]


def fill(world: World) -> None:
    for step in range(1, 8):
        make_checkpoint(world.heroes, step, train_loss=0.5 if step == 2 else 1.0, val_loss=0.5 if step == 3 else 1.0)
    index.scan(world)


def test_the_newest_and_the_best_stay(world: World) -> None:
    fill(world)
    assert len(retention.prune(world, "DIO", keep=3)) == 2
    assert names(world) == [7, 6, 5, 3, 2]
    assert sorted(Checkpoint.objects.values_list("step", flat=True)) == [2, 3, 5, 6, 7]
    assert retention.prune(world, "DIO", keep=3) == []


def test_a_folder_that_is_not_listed_is_left_alone(world: World) -> None:
    fill(world)
    (checkpoint_folders(world.heroes / "DIO")[-1] / sidecar.SIDECAR).unlink()
    index.scan(world)
    retention.prune(world, "DIO", keep=2)
    assert 1 in names(world)


def test_one_that_is_set_aside_meanwhile_is_no_error(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trainer that goes back from a divergence renames checkpoints at the same moment."""
    fill(world)
    original = retention.selectors.list_checkpoints

    def set_aside_behind_it(*args: object, **named: object) -> list[Checkpoint]:
        rows = original(*args, **named)  # type: ignore[arg-type]
        oldest = checkpoint_folders(world.heroes / "DIO")[-1]
        oldest.rename(oldest.with_name(f"diverged-{oldest.name}"))
        return rows

    monkeypatch.setattr(retention.selectors, "list_checkpoints", set_aside_behind_it)
    retention.prune(world, "DIO", keep=3)
    assert names(world) == [7, 6, 5, 3, 2]


def test_killed_half_way_leaves_no_half_checkpoint(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(world)

    def die(folder: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(retention.shutil, "rmtree", die)
    with pytest.raises(KeyboardInterrupt):
        retention.prune(world, "DIO", keep=2)
    monkeypatch.undo()
    for folder in checkpoint_folders(world.heroes / "DIO"):
        sidecar.verify(folder)
    assert len(durable.sweep_temps(world.heroes / "DIO")) == 1


@pytest.mark.parametrize("keep", [-1, 0, 1])
def test_fewer_than_two_are_never_kept(world: World, keep: int) -> None:
    with pytest.raises(ValueError, match="too small"):
        retention.prune(world, "DIO", keep=keep)


def size_of_each() -> int:
    (size,) = set(Checkpoint.objects.values_list("size_bytes", flat=True))
    return size


def on_disk(world: World) -> int:
    """Bytes of the hero's checkpoints, the sidecars left out."""
    files = [path for path in (world.heroes / "DIO").rglob("*") if path.is_file() and path.name != sidecar.SIDECAR]
    return sum(path.stat().st_size for path in files)


def test_beyond_the_budget_the_oldest_go(world: World) -> None:
    fill(world)
    budget = 5 * size_of_each()
    assert on_disk(world) == 7 * size_of_each()
    deleted = retention.prune(world, "DIO", keep=30, budget_bytes=budget)
    assert [step_of(name) for name in deleted] == [1, 4]
    assert names(world) == [7, 6, 5, 3, 2]
    assert on_disk(world) == budget
    assert sorted(Checkpoint.objects.values_list("step", flat=True)) == [2, 3, 5, 6, 7]
    assert retention.prune(world, "DIO", keep=30, budget_bytes=budget) == []


def test_one_byte_too_few_costs_one_checkpoint(world: World) -> None:
    fill(world)
    assert retention.prune(world, "DIO", keep=30, budget_bytes=7 * size_of_each()) == []
    assert len(retention.prune(world, "DIO", keep=30, budget_bytes=7 * size_of_each() - 1)) == 1


def test_what_goes_by_number_is_not_counted_against_the_budget(world: World) -> None:
    fill(world)
    retention.prune(world, "DIO", keep=3, budget_bytes=5 * size_of_each())
    assert names(world) == [7, 6, 5, 3, 2]


@pytest.mark.parametrize("budget", [0, 1])
def test_the_two_newest_and_the_best_stay_over_any_budget(world: World, budget: int) -> None:
    fill(world)
    retention.prune(world, "DIO", keep=30, budget_bytes=budget)
    assert names(world) == [7, 6, 3, 2]


def test_twin_without_what_is_safe_the_budget_takes_all(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(world)
    beyond = retention._beyond
    monkeypatch.setattr(retention, "_beyond", lambda budget, rows, safe: beyond(budget, rows, set()))
    retention.prune(world, "DIO", keep=30, budget_bytes=0)
    assert names(world) == []


def test_without_a_budget_size_does_not_matter(world: World) -> None:
    fill(world)
    Checkpoint.objects.update(size_bytes=10**15)
    assert retention.prune(world, "DIO", keep=30) == []


@pytest.mark.parametrize("scanned", [True, False])
def test_what_has_no_sidecar_is_none_of_the_newest(world: World, scanned: bool) -> None:
    """Else two damaged ones at the top would cost the ones that can be resumed from."""
    fill(world)
    for folder in checkpoint_folders(world.heroes / "DIO")[:2]:
        (folder / sidecar.SIDECAR).unlink()
    if scanned:
        index.scan(world)
    retention.prune(world, "DIO", keep=2, budget_bytes=0)
    assert names(world) == [7, 6, 5, 4, 3, 2]


def test_other_heroes_are_left_alone(world: World) -> None:
    fill(world)
    for step in (1, 2, 3):
        make_checkpoint(world.heroes, step, hero="EVA")
    index.scan(world)
    retention.prune(world, "DIO", keep=2, budget_bytes=0)
    assert len(checkpoint_folders(world.heroes / "EVA")) == 3


def put_an_adapter_on(world: World, base_step: int) -> None:
    """The newest checkpoint is an adapter on that of `base_step`."""
    name = next(path.name for path in checkpoints(world) if step_of(path.name) == base_step)
    make_checkpoint(world.heroes, 8, mode="lora", adapter_base=name, train_loss=1.0)
    index.scan(world)


def checkpoints(world: World) -> list[Path]:
    return checkpoint_folders(world.heroes / "DIO")


@pytest.mark.parametrize("budget", [None, 0])
def test_what_an_adapter_sits_on_stays_as_long_as_the_adapter(world: World, budget: int | None) -> None:
    fill(world)
    put_an_adapter_on(world, 1)
    retention.prune(world, "DIO", keep=2, budget_bytes=budget)
    assert names(world) == [8, 7, 3, 2, 1]
    sidecar.verify(checkpoints(world)[-1])

    for step in (9, 10):
        make_checkpoint(world.heroes, step)
    index.scan(world)
    for _ in range(2):  # the adapter goes first, then what it sat on
        retention.prune(world, "DIO", keep=2, budget_bytes=budget)
    assert names(world) == [10, 9, 3, 2]


def test_an_adapter_that_is_not_listed_yet_keeps_what_it_sits_on(world: World) -> None:
    fill(world)
    put_an_adapter_on(world, 1)
    Checkpoint.objects.filter(step=8).delete()
    retention.prune(world, "DIO", keep=2, budget_bytes=0)
    assert names(world) == [8, 7, 6, 3, 2, 1]


def test_twin_without_a_look_at_adapters_what_one_sits_on_goes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(world)
    put_an_adapter_on(world, 1)
    monkeypatch.setattr(retention, "_under_adapters", lambda hero_folder: set())
    retention.prune(world, "DIO", keep=2)
    assert 1 not in names(world)


def branched(world: World) -> None:
    """Steps 1 to 7 on the first branch, trained yesterday; 4 to 6 on the second, which began at 3, trained today."""
    fill(world)
    hero = world.heroes / "DIO"
    start = next(folder for folder in checkpoint_folders(hero) if step_of(folder.name) == 3)
    branches.go_on_from(hero, sidecar.read(start), moment=datetime(2026, 1, 2, tzinfo=UTC))
    for step in (4, 5, 6):
        make_checkpoint(
            world.heroes, step, branch="2", name=f"checkpoint-{step}-20260102-1230",
            created_at="2026-01-02T12:30:00+00:00", train_loss=1.0, val_loss=1.0,
        )  # fmt: skip
    index.scan(world)


def left_of(world: World) -> list[str]:
    return [f"{step_of(path.name)}/{branches.branch_of(path)}" for path in checkpoint_folders(world.heroes / "DIO")]


def test_what_a_branch_needs_stays(world: World) -> None:
    branched(world)
    retention.prune(world, "DIO", keep=2, budget_bytes=0)
    assert left_of(world) == ["7/", "6/2", "5/2", "3/", "2/"]
    branches.go_on_from(world.heroes / "DIO", None, moment=datetime(2026, 1, 3, tzinfo=UTC))
    retention.prune(world, "DIO", keep=2, budget_bytes=0)
    assert left_of(world) == ["7/", "6/2", "3/", "2/"]


def test_twin_by_steps_alone_the_branch_of_now_would_make_room(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    branched(world)
    monkeypatch.setattr(retention, "_needed_by_branches", lambda world, hero: set())
    monkeypatch.setattr(retention.selectors, "_newest", lambda hero: ("-step", "-name"))
    retention.prune(world, "DIO", keep=2)
    assert "5/2" not in left_of(world)
