"""The oracle's picker says by which measure a checkpoint is the best."""

import pytest

from realm.world import World
from tavern.oracle.page import choices
from tests.support.checkpoints import make_checkpoint
from vault import index as vault

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("val_loss", "measure"), [(0.5, "validation"), (None, "training")])
def test_the_best_is_named_with_its_measure(world: World, val_loss: float | None, measure: str) -> None:
    make_checkpoint(world.heroes, 1, train_loss=1.0, val_loss=val_loss)
    make_checkpoint(world.heroes, 2, train_loss=0.1 if val_loss else 2.0, val_loss=val_loss and 0.7)
    vault.scan(world)
    newer, older, base = choices()
    assert older.label.endswith(f" · best by {measure} loss")
    assert (older.champion, newer.champion, base.champion) == (True, False, False)
    assert "best" not in newer.label + base.label
