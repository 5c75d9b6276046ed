"""What the hero's numbers mean, and who is the champion by what, on the Tavern's page."""

import pytest
from django.test import Client

from realm.checkpoints.sidecar import MeasuredOver
from realm.config import load
from realm.world import World
from tests.support.checkpoints import make_checkpoint
from tests.support.pages import in_one_line
from vault.index import scan

pytestmark = pytest.mark.django_db
TAUGHT = MeasuredOver(name="taught", rows=60, sha256="a")


def test_each_stat_is_explained_in_a_sentence_with_its_set(world: World, client: Client) -> None:
    sets = {
        "bin/1": MeasuredOver(name="bin/1", rows=20, sha256="b"),
        "quest/q": MeasuredOver(name="q", rows=40, sha256="c"),
    }
    make_checkpoint(world.heroes, 1200, val_loss=0.5, val_set=TAUGHT, val_sets=sets)
    scan(world)
    page = in_one_line(client.get("/").content.decode())
    over = "over 1 level of BIN and 40 held-out rows (60 rows)"
    assert f"<dd>100 / validation loss of checkpoint 1,200 {over}.</dd>" in page
    assert "<dd>100 / train loss of checkpoint 1,200.</dd>" in page
    assert "Checkpoint 1,200." in page


def test_the_metric_can_be_chosen(world: World, client: Client) -> None:
    make_checkpoint(world.heroes, 1, train_loss=0.9, val_loss=0.5)
    make_checkpoint(world.heroes, 2, train_loss=0.1, val_loss=0.6)
    scan(world)
    assert "Checkpoint 1." in in_one_line(client.get("/panels/hero").content.decode())
    panel = client.post("/champion", {"metric": "train_loss"}, headers={"HX-Request": "true"})
    assert "Checkpoint 2: train loss 0.1 &lt; 0.9." in in_one_line(panel.content.decode())
    assert load(world).champion_metric == "train_loss"
    refused = client.post("/champion", {"metric": "luck"})
    assert refused.status_code == 400
    assert (
        "champion_metric: &#x27;luck&#x27;" in refused.content.decode()
        or "champion_metric: 'luck'" in refused.content.decode()
    )
