"""What a step means to an inference host once the hero has branches."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from arena.oracle.catalogue import Catalogue
from arena.oracle.trouble import Ambiguous, UnknownModel
from realm.checkpoints import branches, sidecar
from realm.config import RealmConfig
from realm.oracle.wire import Selector
from realm.world import World
from tests.support.checkpoints import make_checkpoint

OLD, NEW = "checkpoint-3-20260101-1230", "checkpoint-3-20260101-1240"


@pytest.fixture
def hero(world: World) -> Path:
    """Step 3 on the first branch and on the second, which is active."""
    hero = make_checkpoint(world.heroes, 1).parent
    make_checkpoint(world.heroes, 3)
    go_on(hero, "checkpoint-1-20260101-1230")
    make_checkpoint(world.heroes, 3, branch="2", name=NEW)
    return hero


def go_on(hero: Path, name: str | None) -> None:
    branches.go_on_from(hero, sidecar.read(hero / name) if name else None, moment=datetime.now(UTC))


def test_a_step_means_the_active_branch_and_a_name_its_own(world: World, hero: Path) -> None:
    catalogue = Catalogue(world, RealmConfig())
    assert catalogue.find(Selector(step=3)).name == NEW
    assert catalogue.find(Selector(name=OLD)).name == OLD
    go_on(hero, OLD)
    assert catalogue.find(Selector(step=3)).name == OLD
    assert catalogue.find(Selector(step=0)).name == "base"
    go_on(hero, None)
    with pytest.raises(Ambiguous, match=f"name one of {NEW}") as refusal:
        catalogue.find(Selector(step=3))
    assert refusal.value.status == 409
    assert catalogue.find(Selector(step=1)).step == 1  # the only one of that step
    with pytest.raises(UnknownModel, match="no checkpoint step 9"):
        catalogue.find(Selector(step=9))


def test_twin_by_the_step_alone_the_newest_name_would_answer(
    world: World, hero: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on(hero, OLD)
    monkeypatch.setattr(branches, "line_folders", lambda folder, branch=None: branches.checkpoint_folders(folder))
    assert Catalogue(world, RealmConfig()).find(Selector(step=3)).name == NEW
