"""What rules make of a hero's checkpoints: what stays, what goes, and why."""

import os
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from realm.checkpoints import branches, sidecar
from realm.checkpoints.names import canonical_name, step_of
from realm.strict import BadConfig
from realm.world import World
from tests.support.checkpoints import make_checkpoint
from tests.support.treasury import apply, branched, checkpoints, config, fill, folder_of, name_of, steps
from vault import index, selectors
from vault.models import Checkpoint
from vault.treasury import safety, shelf, trash
from vault.treasury.rules import limits_of
from vault.treasury.shelf import Fate

pytestmark = pytest.mark.django_db


def size_of_each() -> int:
    (size,) = set(Checkpoint.objects.values_list("size_bytes", flat=True))
    return size


def test_the_newest_and_the_best_stay(world: World) -> None:
    fill(world)
    assert [step_of(name) for name in apply(world, 3).deleted] == [4, 1]
    assert steps(world) == [7, 6, 5, 3, 2]
    assert sorted(Checkpoint.objects.values_list("step", flat=True)) == [2, 3, 5, 6, 7]
    assert apply(world, 3).deleted == ()


def test_a_dry_run_says_the_same_and_changes_nothing(world: World) -> None:
    fill(world)
    planned = shelf.plan(world, config(3), "DIO")
    assert steps(world) == [7, 6, 5, 4, 3, 2, 1]
    assert planned.named(Fate.GOES) == list(apply(world, 3).deleted)
    assert planned.after_bytes == 5 * size_of_each() == planned.before_bytes - 2 * size_of_each()
    why = {book.step: book.why for book in planned.books}
    assert why[2] == ("it is the best of branch 1 by train loss",)
    assert why[5] == ("it is one of the newest 3",)
    assert why[4] == ("no rule keeps it",)


def test_beyond_the_budget_the_oldest_go(world: World) -> None:
    fill(world)
    each = size_of_each()
    assert apply(world, 30, budget_bytes=7 * each).deleted == ()
    assert len(apply(world, 30, budget_bytes=7 * each - 1).deleted) == 1
    apply(world, 30, budget_bytes=5 * each)
    assert steps(world) == [7, 6, 5, 3, 2]
    apply(world, 30, budget_bytes=0)
    assert steps(world) == [7, 6, 3, 2]


def test_twin_without_what_is_safe_the_budget_takes_all(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(world)
    monkeypatch.setattr(safety, "reasons", lambda *_, **__: iter(()))
    apply(world, 30, budget_bytes=0)
    assert steps(world) == []


def test_one_an_hour_a_day_and_a_week(world: World) -> None:
    first = datetime(2026, 1, 5, 0, 10, tzinfo=UTC)
    for number in range(24):  # every twelve hours
        moment = first + timedelta(hours=12 * number)
        name = canonical_name(number + 1, moment)
        make_checkpoint(world.heroes, number + 1, name=name, created_at=moment.isoformat(), train_loss=1 / (number + 1))
    index.scan(world)
    planned = shelf.plan(world, config(2, hourly=3, daily=4, weekly=3), "DIO")
    stays = [book for book in planned.books if book.fate == Fate.STAYS]
    days = {book.name[-13:-5] for book in stays}
    assert len(stays) <= 2 + 3 + 4 + 3
    assert {"20260116", "20260115", "20260114", "20260113", "20260111"} <= days
    told = {sentence for book in stays for sentence in book.why}
    assert {"it is the newest of its hour", "it is the newest of its day", "it is the newest of its week"} <= told


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("berlin")
def test_the_hour_that_clocks_go_through_twice_is_two() -> None:
    """With the twin."""
    rows = [Checkpoint(name=f"{hour}", created_at=datetime(2026, 10, 25, hour, 30, tzinfo=UTC)) for hour in (0, 1, 2)]
    assert list(shelf._one_a_period(rows, shelf._PERIODS[0][1], 2)) == ["2", "1"]
    assert list(shelf._one_a_period(rows, shelf._PERIODS[0][1], 3)) == ["2", "1", "0"]
    assert list(shelf._one_a_period(rows, "%Y-%m-%d %H", 3)) == ["2", "1"]


def test_the_trash_is_emptied_for_the_volume_that_it_lies_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the twin."""
    fill(world)
    deleted = trash.delete(world, "DIO", [name_of(world, 1)], by="page")
    elsewhere = world.home.parent / "other disk"
    shutil.move(world.heroes / "DIO", elsewhere)
    (world.heroes / "DIO").symlink_to(elsewhere)
    monkeypatch.setattr(shelf.shutil, "disk_usage", lambda path: SimpleNamespace(free=10**9 * (path == elsewhere)))
    assert shelf.trim(world, config(floor_gb=1.0), by="arena") == ()
    monkeypatch.setattr(shelf, "_really", lambda world, hero: world.heroes)
    assert shelf.trim(world, config(floor_gb=1.0), by="arena") == (deleted.entry,)


def test_the_best_by_the_metric_stay(world: World) -> None:
    fill(world)
    planned = shelf.plan(world, config(2, keep_best=2), "DIO")
    why = {book.step: book.why for book in planned.books}
    assert "it is one of the best 2 by levels" in why[3]
    assert len([1 for told in why.values() if any("best 2" in each for each in told)]) == 2


def test_below_the_floor_the_oldest_go_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Past the trash, which is emptied too: it would free nothing."""
    fill(world)
    lacking = trash.size_of(folder_of(world, 1)) + 1
    monkeypatch.setattr(shelf, "free_bytes", lambda world, hero: 10**9 - lacking)
    applied = apply(world, 30, floor_gb=1.0)
    assert applied.entry == ""
    assert steps(world) == [7, 6, 5, 3, 2]
    assert trash.list_trash(world) == []


def test_what_lies_in_a_snapshot_too_is_not_deleted_for_room(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(world)
    shutil.copytree(world.heroes, world.backups / "heroes", copy_function=os.link)
    monkeypatch.setattr(shelf, "free_bytes", lambda world, hero: 0)
    assert apply(world, 30, floor_gb=1.0).deleted == ()


def test_the_volume_is_that_where_the_hero_really_lies(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = world.home.parent / "other disk" / "DIO"
    elsewhere.mkdir(parents=True)
    (world.heroes / "DIO").symlink_to(elsewhere)
    free = {elsewhere: 7, world.heroes: 8}
    monkeypatch.setattr(shelf.shutil, "disk_usage", lambda path: SimpleNamespace(free=free[path]))
    assert shelf.free_bytes(world, "DIO") == 7


@pytest.mark.parametrize("scanned", [True, False])
def test_what_has_no_sidecar_is_none_of_the_newest(world: World, scanned: bool) -> None:
    """Else two damaged ones at the top would cost the ones that can be resumed from."""
    fill(world)
    for folder in checkpoints(world)[:2]:
        (folder / sidecar.SIDECAR).unlink()
    if scanned:
        index.scan(world)
    apply(world, 2, budget_bytes=0)
    assert steps(world) == [7, 6, 5, 4, 3, 2]


def test_one_that_is_cut_short_is_none_of_the_newest(world: World) -> None:
    fill(world)
    (folder_of(world, 7) / "model.safetensors").write_bytes(b"cut")
    (folder_of(world, 6) / "model.safetensors").write_bytes(b"cut")
    apply(world, 2, budget_bytes=0)
    assert {5, 4} <= set(steps(world))


def test_one_that_is_set_aside_meanwhile_is_no_error(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trainer that goes back from a divergence renames checkpoints at the same moment."""
    fill(world)
    original = selectors.list_checkpoints

    def set_aside_behind_it(*args: object, **named: object) -> list[Checkpoint]:
        rows = original(*args, **named)  # type: ignore[arg-type]
        oldest = checkpoints(world)[-1]
        if step_of(oldest.name) == 1:
            oldest.rename(oldest.with_name(f"diverged-{oldest.name}"))
        return rows

    monkeypatch.setattr(selectors, "list_checkpoints", set_aside_behind_it)
    apply(world, 3)
    assert steps(world) == [7, 6, 5, 3, 2]


def test_other_heroes_are_left_alone(world: World) -> None:
    fill(world)
    for step in (1, 2, 3):
        make_checkpoint(world.heroes, step, hero="EVA")
    index.scan(world)
    apply(world, 2, budget_bytes=0)
    assert len(list((world.heroes / "EVA").iterdir())) == 3


def left_of(world: World) -> list[str]:
    return [f"{step_of(path.name)}/{branches.branch_of(path)}" for path in checkpoints(world)]


def test_what_a_branch_needs_stays(world: World) -> None:
    branched(world)
    apply(world, 2, budget_bytes=0)
    assert left_of(world) == ["7/", "6/2", "5/2", "3/", "2/"]
    branches.go_on_from(world.heroes / "DIO", None, moment=datetime(2026, 1, 3, tzinfo=UTC))
    apply(world, 2, budget_bytes=0)
    assert left_of(world) == ["7/", "6/2", "3/", "2/"]


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"keep_newest": 1}, "keep_newest: 1 is too small; the least allowed is 2"),
        ({"full_state": 1}, "full_state: 1 is too small"),
        ({"keep_nwest": 3}, "did you mean 'keep_newest'"),
        ({"floor_gb": -1}, "floor_gb: -1"),
        ({"trash_days": float("inf")}, "trash_days"),
    ],
)
def test_rules_that_cannot_be_are_refused(rules: dict[str, object], said: str) -> None:
    with pytest.raises(BadConfig, match=said):
        limits_of(config(2, **rules) if "keep_newest" not in rules else config(1))


def test_the_older_settings_stand_under_the_rules(world: World) -> None:
    assert limits_of(config().__class__(keep_checkpoints=5, checkpoint_budget_gb=3.0)).keep_newest == 5
    assert limits_of(config().__class__(checkpoint_budget_gb=3.0)).budget_bytes == 3 * 10**9
