import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from realm.checkpoints.sidecar import DamagedCheckpoint
from realm.world import World
from tests.support.checkpoints import WEIGHTS, make_checkpoint
from vault import chronicle, index
from vault.errors import Refused
from vault.ledger import record_checkpoint, summary
from vault.models import Checkpoint, HistoryEntry

pytestmark = pytest.mark.django_db


def said(world: World) -> Any:
    return json.loads((world.status / "checkpoint_ledger.json").read_bytes())


def test_the_summary_follows_each_save_and_scan(world: World) -> None:
    index.scan(world)
    assert (said(world)["count"], said(world)["latest"], said(world)["checkpoints"]) == (0, None, [])
    make_checkpoint(world.heroes, 100, train_loss=0.5)
    folder = make_checkpoint(world.heroes, 200)
    index.scan(world)
    told = said(world)
    assert (told["hero"], told["count"], told["latest"]["step"]) == ("DIO", 2, 200)
    assert (told["best"]["train_loss"]["step"], told["best"]["val_loss"]) == (100, None)
    assert told["checkpoints"][0]["canonical_name"] == folder.name
    index.index_checkpoint(world, "DIO", make_checkpoint(world.heroes, 300).name)
    assert (said(world)["count"], said(world)["latest"]["step"]) == (3, 300)


def test_a_disk_that_takes_no_summary_costs_no_save(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_checkpoint(world.heroes, 300)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(summary.durable, "write_json", full)
    index.index_checkpoint(world, "DIO", folder.name)
    assert Checkpoint.objects.count() == 1


def test_a_checkpoint_is_recorded_by_name_or_folder(world: World, tmp_path: Path) -> None:
    folder = make_checkpoint(world.heroes, 100)
    assert record_checkpoint(folder) == record_checkpoint(folder.name) == record_checkpoint(str(folder))
    other = make_checkpoint(world.heroes, 7, hero="EVA")
    assert record_checkpoint(other).hero == record_checkpoint(other.name, hero="EVA").hero == "EVA"
    with pytest.raises(Refused, match="does not lie in a hero's folder"):
        record_checkpoint(make_checkpoint(tmp_path / "elsewhere", 5))
    (folder / WEIGHTS).unlink()
    with pytest.raises(DamagedCheckpoint):
        record_checkpoint(folder)


def test_a_scan_brings_back_the_chronicle_and_what_was_verified(world: World) -> None:
    folder = make_checkpoint(world.heroes, 100)
    row = index.index_checkpoint(world, "DIO", folder.name)
    asset_id = f"checkpoint_100_DIO_{folder.name[-13:]}"
    line = chronicle.record(world, "verify", by="page", asset_id=asset_id, sidecar_sha256=row.sidecar_sha256)
    chronicle.record(world, "verify", by="page", asset_id=asset_id, sidecar_sha256="0" * 64)
    HistoryEntry.objects.all().delete()
    Checkpoint.objects.all().delete()
    index.scan(world)
    assert HistoryEntry.objects.count() == 2
    found = Checkpoint.objects.get()
    assert found.verified_at is not None
    assert abs((found.verified_at - line.time).total_seconds()) < 0.001
    shutil.rmtree(folder)
    index.scan(world)
    assert said(world)["count"] == 0
