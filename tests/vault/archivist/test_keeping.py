"""Which snapshots make room."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from realm.world import World
from vault.archivist import keeping
from vault.archivist.rules import Rules, read_rules
from vault.archivist.snapshots import Snapshot
from vault.errors import Refused

NOW = datetime(2026, 11, 30, 3, tzinfo=UTC)


def snapshot(reason: str, days: float, folder: Path = Path("backups")) -> Snapshot:
    moment = NOW - timedelta(days=days)
    name = f"{moment:%Y%m%d-%H%M%S}-{reason}"
    return Snapshot(
        name=name, path=folder / name, reason=reason, by="taskmaster", created_at=moment, holds="world", files=1,
        size_bytes=1, checkpoints=1,
    )  # fmt: skip


def kept(found: list[Snapshot], rules: Rules) -> set[str]:
    found = sorted(found, key=lambda one: one.name, reverse=True)
    return {one.name for one in found} - {one.name for one in keeping.doomed_by_rules(found, rules)}


def test_days_then_weeks_stay() -> None:
    found = [snapshot("daily", days) for days in range(60)]
    # 2026-11-30 is a Monday: weeks begin with it.
    wanted = {0, 1, 2, 3, 8, 15}
    assert kept(found, Rules(keep_daily=3, keep_weekly=3)) == {found[days].name for days in wanted}


def test_risky_ones_by_number_those_by_hand_all_and_the_newest_always() -> None:
    risky = [snapshot("before-migration", days) for days in (1, 2, 3)]
    by_hand = [snapshot(reason, days) for days in (10, 400) for reason in ("manual", "a-word")]
    assert kept([*risky, *by_hand], Rules(keep_risky=2)) == {one.name for one in (*risky[:2], *by_hand)}
    daily = [snapshot("daily", days) for days in (0, 1)]
    assert kept(daily, Rules(keep_daily=0, keep_weekly=0)) == {daily[0].name}


@pytest.fixture
def three(world: World, monkeypatch: pytest.MonkeyPatch) -> list[Snapshot]:
    found = [snapshot("daily", days, world.backups) for days in (0, 1, 2)]
    for one in found:
        one.path.mkdir()
    monkeypatch.setattr(keeping, "list_snapshots", lambda world: [one for one in found if one.path.exists()])
    return found


def test_a_volume_below_the_floor_keeps_the_newest_daily_ones(
    world: World, three: list[Snapshot], monkeypatch: pytest.MonkeyPatch
) -> None:
    def free(path: object) -> SimpleNamespace:
        return SimpleNamespace(free=10**9 - len(list(world.backups.iterdir())) * 10**8)

    monkeypatch.setattr(keeping, "shutil", SimpleNamespace(disk_usage=free, rmtree=shutil.rmtree))
    assert keeping.prune(world, Rules(floor_gb=0.8)) == [three[2].name]
    assert {path.name for path in world.backups.iterdir()} == {one.name for one in three[:2]}
    assert keeping.prune(world, Rules(floor_gb=5.0)) == [three[1].name]
    assert [path.name for path in world.backups.iterdir()] == [three[0].name]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"engine": "restic"}, "repository: is missing; restic keeps snapshots there"),
        ({"engine": "restic", "repository": "/x"}, "password_file: is missing; restic encrypts"),
        ({"engine": "tar"}, "engine: 'tar' is not allowed; allowed are folder, restic, borg"),
        ({"engine": "borg", "repository": "--help"}, "repository: '--help' is an option"),
        ({"password_file": "x"}, "password_file: 'x' is relative"),
        ({"environment": {"a b": "c"}}, "environment: 'a b' is no variable's name"),
        ({"keep_daily": -1}, "keep_daily: -1 is not allowed"),
        ({"floor_gb": -1}, "floor_gb: -1.0 is no size"),
        ({"keep": 1}, "unknown key 'keep'"),
    ],
)
def test_rules_that_cannot_be_are_refused(settings: dict[str, object], sentence: str) -> None:
    with pytest.raises(Refused) as told:
        read_rules(settings)
    assert sentence in str(told.value)
