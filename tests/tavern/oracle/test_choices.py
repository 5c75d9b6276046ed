"""The oracle's picker names the champion, and what a validation loss was measured over."""

import pytest

from realm.checkpoints.sidecar import MeasuredOver
from realm.world import World
from tavern.oracle.page import choices
from tests.support.checkpoints import make_checkpoint
from vault import index as vault

pytestmark = pytest.mark.django_db


def test_the_champion_is_named(world: World) -> None:
    taught = MeasuredOver(name="taught", rows=1200, sha256="a" * 64)
    make_checkpoint(world.heroes, 1, train_loss=1.0, val_loss=0.5, val_set=taught)
    make_checkpoint(world.heroes, 2, train_loss=0.1, val_loss=0.7, val_set=taught)
    vault.scan(world)
    newer, older, base = choices()
    assert older.label.endswith(" · val 0.5000 over 1,200 rows · champion")
    assert (older.champion, newer.champion, base.champion) == (True, False, False)
    assert "champion" not in newer.label + base.label
