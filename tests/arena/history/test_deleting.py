"""Old battles go and come back; what was won with them, and what others need, stays."""

from __future__ import annotations

import errno
import io
import json
import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db.models import QuerySet

from arena import history_orders, steps
from arena.daemon import history, recovery
from arena.history import deleting, finding, notes
from arena.history.finding import DELETED, Search
from arena.history_orders import Act
from arena.models import Battle, BattleRecord, ChronicleEntry, Quest
from realm.disk import durable
from realm.world import World
from tests.support.checkpoints import make_checkpoint
from tests.support.fought import fought, won
from vault.index import scan
from vault.models import Checkpoint
from watchtower.battles import figures
from watchtower.hero import saved_card

pytestmark = pytest.mark.django_db


def obey(world: World) -> list[str]:
    refused: list[str] = []
    while history.obey(world, on_damaged=refused.append, tell=lambda kind, said, **data: refused.append(said)):
        pass
    return refused


def delete(world: World, *names: str) -> list[str]:
    history_orders.send(world, act=Act.DELETE, battles=names, by="test")
    return obey(world)


def restore(world: World, *names: str) -> list[str]:
    history_orders.send(world, act=Act.RESTORE, battles=names, by="test")
    return obey(world)


def listed(state: str = "") -> list[str]:
    return [battle.battle_id for battle in finding.battles(Search(state=state))]


def test_it_goes_and_comes_back_byte_for_byte(world: World) -> None:
    battle = fought(world)
    before = steps.path_of(world, "sums-1").read_bytes()
    kept = figures.of_battle(world, battle)
    assert delete(world, "sums-1") == []
    assert (listed(), listed(DELETED)) == ([], ["sums-1"])
    assert not steps.path_of(world, "sums-1").exists()
    assert figures.of_battle(world, finding.get("sums-1")) == kept
    assert restore(world, "sums-1") == []
    assert (listed(), listed(DELETED)) == (["sums-1"], [])
    assert steps.path_of(world, "sums-1").read_bytes() == before
    assert list(ChronicleEntry.objects.values_list("kind", flat=True)) == ["battles_deleted", "battles_restored"]


def gone_and_rebuilt(world: World) -> tuple[int, list[str]]:
    """Gold, and what is won, after a deletion and a database that was made anew from the files."""
    fought(world)
    won(Battle.objects.get(), 2)
    delete(world, "sums-1")
    gold = saved_card(world, "DIO").gold
    Battle.objects.all().delete()
    Quest.objects.all().delete()
    (world.recently_completed / "sums-1.jsonl").unlink()
    recovery._align_files(world)
    return gold - saved_card(world, "DIO").gold, listed(DELETED)


def test_gold_and_the_deletion_outlive_the_database(world: World) -> None:
    assert gone_and_rebuilt(world) == (0, ["sums-1"])


def test_twin_a_deletion_that_takes_everything_costs_gold(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deleting, "STAYS", frozenset({deleting.TRASH, deleting.MARK}))
    assert gone_and_rebuilt(world) == (100, [])


Why = Callable[[World, Battle], None]


def _is_fought(world: World, battle: Battle) -> None:
    Battle.objects.filter(pk=battle.pk).update(state=Battle.State.TRAINING)


def _has_a_checkpoint(world: World, battle: Battle) -> None:
    make_checkpoint(world.heroes, 5)
    scan(world)
    Checkpoint.objects.update(battle=battle.battle_id)


def _is_a_job(world: World, battle: Battle) -> None:
    Quest.objects.update(job="job-0123456789abcdef")
    world.openai_jobs.mkdir(parents=True, exist_ok=True)
    (world.openai_jobs / "ftjob-1.json").write_text(json.dumps({"job": "job-0123456789abcdef"}))


def _waits_for_its_outcome(world: World, battle: Battle) -> None:
    (world.battles / battle.battle_id / "outcome.pending").touch()


REASONS: list[tuple[Why, str]] = [
    (_is_fought, "it is training: stop it first"), (_has_a_checkpoint, "its checkpoint checkpoint-5-"),
    (_is_a_job, "the fine-tuning job ftjob-1"), (_waits_for_its_outcome, "is not measured yet"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "why"), REASONS)
def test_what_is_needed_stays_and_it_is_said_why(world: World, make: Why, why: str) -> None:
    make(world, fought(world))
    (staying,) = deleting.preview(world, list(Battle.objects.all())).staying
    assert why in staying.why
    (refused,) = delete(world, "sums-1")
    assert why in refused
    assert steps.path_of(world, "sums-1").exists()


def test_twin_without_the_reasons_a_needed_one_goes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deleting, "reasons_to_stay", lambda world, battles: {})
    _has_a_checkpoint(world, fought(world))
    delete(world, "sums-1")
    assert not steps.path_of(world, "sums-1").exists()


def test_old_ones_are_those_of_which_both_hold(world: World) -> None:
    for number in range(4):
        battle = fought(world, f"b-{number}")
        Battle.objects.filter(pk=battle.pk).update(ended_at=datetime.now(UTC) - timedelta(days=10 * (4 - number)))
    assert [one.battle_id for one in deleting.old(older_than_days=15)] == ["b-2", "b-1", "b-0"]
    assert [one.battle_id for one in deleting.old(keep_newest=3)] == ["b-0"]
    assert [one.battle_id for one in deleting.old(keep_newest=2, older_than_days=35)] == ["b-0"]
    with pytest.raises(ValueError, match="say how old"):
        deleting.old()
    out = io.StringIO()
    call_command("battle", "delete", "--keep", "3", stdout=out)
    assert "b-0 would go" in out.getvalue()
    assert obey(world) == []
    assert len(listed()) == 4


def test_a_long_order_is_carried_out_in_slices(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "SLICE", 1)
    for number in range(3):
        fought(world, f"b-{number}")
    assert delete(world, "b-0", "b-1", "nobody", "b-2") == ["nobody: there is no such battle"]
    assert listed() == []
    assert ChronicleEntry.objects.get(kind="battles_deleted").data["battles"] == 3


def test_the_trash_is_emptied_in_time_and_said_to_be(world: World) -> None:
    fought(world)
    delete(world, "sums-1")
    assert deleting.empty_old(world) == 0
    BattleRecord.objects.update(deleted_at=datetime.now(UTC) - timedelta(days=8))
    assert deleting.empty_old(world) == 1
    assert "its trash was emptied" in restore(world, "sums-1")[0]
    assert notes.record_of(finding.get("sums-1")).deleted_at is not None


class Killed(BaseException):
    pass


def killed_while_putting_back(world: World, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is refused when the order is obeyed again after a kill behind the moves."""
    fought(world)
    delete(world, "sums-1")

    def die(*args: object, **options: object) -> None:
        raise Killed

    with monkeypatch.context() as at_work:
        at_work.setattr(QuerySet, "update", die)
        with pytest.raises(Killed):
            restore(world, "sums-1")
    return obey(world)


def test_a_kill_while_it_is_put_back_loses_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert killed_while_putting_back(world, monkeypatch) == []
    assert (listed(), listed(DELETED)) == (["sums-1"], [])


def test_twin_without_its_trash_it_would_stay_deleted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    sync = durable.sync_folder

    def and_the_trash_goes(folder: Path) -> None:
        sync(folder)
        trash = folder / deleting.TRASH
        if trash.is_dir() and not any(trash.iterdir()):
            trash.rmdir()

    monkeypatch.setattr(durable, "sync_folder", and_the_trash_goes)
    assert killed_while_putting_back(world, monkeypatch) == ["sums-1 cannot be put back: its trash was emptied"]


def test_half_a_trash_is_never_put_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    fought(world)
    delete(world, "sums-1")
    later = time.time() + 8 * 86_400

    def die(path: Path, **options: object) -> None:
        raise Killed

    with monkeypatch.context() as at_work:
        at_work.setattr(shutil, "rmtree", die)
        with pytest.raises(Killed):
            deleting.empty_old(world, now=later)
    assert restore(world, "sums-1") == ["sums-1 cannot be put back: its trash was emptied"]
    deleting.empty_old(world, now=later)
    assert not list((world.battles / "sums-1").glob(".trash*"))


def test_an_order_that_was_obeyed_before_a_kill_is_no_refusal(world: World) -> None:
    fought(world)
    delete(world, "sums-1")
    restore(world, "sums-1")
    assert restore(world, "sums-1") == []


def test_a_battle_that_cannot_be_moved_keeps_no_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Raised, the error would end each daemon that finds the order."""
    for name in ("sums-1", "sums-2"):
        fought(world, name)
    rename = deleting.os.rename

    def refused(source: Path, target: Path) -> None:
        if "sums-1" in str(source):
            raise PermissionError(errno.EACCES, "Permission denied", str(source))
        rename(source, target)

    monkeypatch.setattr(deleting.os, "rename", refused)
    (said,) = delete(world, "sums-1", "sums-2")
    assert said.startswith("sums-1 cannot be moved: ")
    assert listed() == ["sums-1"]


def test_an_order_waits_for_a_full_disk(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    fought(world)

    def full(*paths: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(deleting.durable, "write_json", full)
        with pytest.raises(OSError, match="No space"):
            delete(world, "sums-1")
    assert obey(world) == []
    assert listed() == []
