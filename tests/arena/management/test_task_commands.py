"""What the background tasks do among quests and checkpoints."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from arena.daemon.cleanup import clean_up
from arena.daemon.loop import only_daemon
from arena.daemon.queue_check import check_queue
from arena.gate import report as reports
from arena.models import Quest
from arena.queue.files import path_of
from arena.reports.lineage import write_lineages
from guild.models import Evaluation, EvaluationTask
from realm.config import RealmConfig
from realm.oracle.sync_client import HostTrouble
from realm.world import World
from tests.support.checkpoints import make_checkpoint
from tests.support.local_gate import admit_one
from vault.index import scan
from vault.treasury import safety

pytestmark = pytest.mark.django_db

ROW = '{"prompt": "a", "completion": "b"}\n'
FEW = RealmConfig(keep_checkpoints=2, oracle_port=1)


def say(*words: str) -> str:
    out = io.StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


@pytest.fixture
def quest(world: World) -> Quest:
    (world.lane("normal") / "mine.jsonl").write_text(ROW)
    found = admit_one(world)
    assert found is not None
    return found


def kinds(world: World) -> list[str]:
    return [finding.kind for finding in check_queue(world, hero="DIO", most_steps=100)[1]]


def test_a_quest_as_it_was_taken_is_well(world: World, quest: Quest) -> None:
    assert check_queue(world, hero="DIO", most_steps=100) == (1, [])
    assert "1 quests wait" in say("validate_queue")


def test_changed_gone_and_unreported_quests_are_told(world: World, quest: Quest) -> None:
    path = path_of(world, quest)
    reports.companion(path, reports.REPORT).unlink()
    assert kinds(world) == ["unreported"]
    path.write_text(ROW.replace("b", "c"))
    assert kinds(world) == ["changed", "unreported"]
    with pytest.raises(CommandError, match="not as they should be: 1 of 1"):
        say("validate_queue")
    path.unlink()
    assert kinds(world) == ["gone"]
    (told,) = json.loads((world.status / "queue_check.json").read_bytes())["found"]
    assert (told["quest"], told["kind"]) == ("mine", "gone")
    quest.refresh_from_db()
    assert quest.state == Quest.State.QUEUED  # the daemon alone changes that


def test_what_the_daemon_took_meanwhile_is_no_finding(
    world: World, quest: Quest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def begun(*rest: Any, **more: Any) -> str:
        Quest.objects.update(state=Quest.State.BATTLING)
        return "another digest"

    monkeypatch.setattr("arena.daemon.queue_check.content_digest", begun)
    assert kinds(world) == []


def test_a_stale_sparring_is_told(world: World, quest: Quest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("arena.daemon.queue_check.why_stale", lambda *rest, **more: "it is about mistakes of long ago")
    assert kinds(world) == ["stale"]


def fill(world: World, hero: str, steps: int = 5) -> None:
    for step in range(1, steps + 1):
        make_checkpoint(world.heroes, step, hero=hero, train_loss=1.0 / step, val_loss=1.0 / step)
    scan(world)


def left(world: World, hero: str) -> list[int]:
    return sorted(int(path.name.split("-")[1]) for path in (world.heroes / hero).glob("checkpoint-*"))


def test_room_is_made_among_heroes_that_rest_and_the_fighting_one_is_the_daemon_s(world: World) -> None:
    fill(world, "DIO")
    fill(world, "ANN")
    with only_daemon(world):
        cleaned = clean_up(world, FEW)
    assert cleaned.left_to_daemon == "DIO"
    assert (left(world, "DIO"), left(world, "ANN")) == ([1, 2, 3, 4, 5], [4, 5])
    clean_up(world, FEW)
    assert left(world, "DIO") == [4, 5]


def test_a_dry_run_deletes_nothing(world: World) -> None:
    fill(world, "DIO")
    assert len(clean_up(world, FEW, dry_run=True).deleted) == 3
    assert left(world, "DIO") == [1, 2, 3, 4, 5]
    assert "Nothing must make room" in say("checkpoint_cleanup", "--dry-run")


def test_what_is_served_or_waits_for_its_evaluation_stays(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(world, "DIO")
    names = {int(path.name.split("-")[1]): path.name for path in (world.heroes / "DIO").glob("checkpoint-*")}
    EvaluationTask.objects.create(hero="DIO", checkpoint=names[1], step=1, skill="bin", level=1)
    monkeypatch.setattr(safety, "loaded_by_hosts", lambda world, config: {names[2]})
    clean_up(world, FEW)
    assert left(world, "DIO") == [1, 2, 4, 5]


def test_a_host_that_lives_and_does_not_say_what_it_serves_keeps_everything(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(world, "DIO")

    class Rubbish:
        def __init__(self, host: object) -> None:
            pass

        def __enter__(self) -> Rubbish:
            return self

        def __exit__(self, *rest: object) -> None:
            pass

        def loaded(self) -> None:
            raise HostTrouble("it says rubbish")

    monkeypatch.setattr("realm.oracle.sync_client.OracleClient", Rubbish)
    with pytest.raises(CommandError, match="nothing is deleted: it says rubbish"):
        say("checkpoint_cleanup")
    assert left(world, "DIO") == [1, 2, 3, 4, 5]


def test_a_host_that_cannot_be_asked_for_its_broken_entry_keeps_everything(world: World) -> None:
    fill(world, "DIO")
    (world.home / "hosts.yaml").write_text("far: {kind: foreign}")
    with pytest.raises(CommandError, match=r"nothing is deleted: .*far: kind: 'foreign' is not allowed"):
        say("checkpoint_cleanup")
    assert left(world, "DIO") == [1, 2, 3, 4, 5]


def test_old_leftovers_of_killed_writers_go(world: World) -> None:
    fill(world, "DIO")
    old, fresh = (world.heroes / "DIO" / name for name in (".tmp-old", ".tmp-fresh"))
    for folder in (old, fresh):
        folder.mkdir()
    os.utime(old, (1, 1))
    assert clean_up(world, FEW).leftovers == ("DIO/.tmp-old",)
    assert fresh.exists()


def test_the_lineage_tells_each_checkpoint_s_parent_quest_and_answers(world: World) -> None:
    first = make_checkpoint(world.heroes, 10)
    second = make_checkpoint(world.heroes, 20, parent=first.name, val_loss=0.5)
    make_checkpoint(world.heroes, 30, hero="ANN", parent="checkpoint-5-20260101-1230")
    scan(world)
    Evaluation.objects.create(
        hero="DIO", checkpoint=second.name, step=20, skill="bin", level=1, correct=4, total=5,
        evaluated_at="2026-01-01T00:00Z",
    )  # fmt: skip
    ann, dio = write_lineages(world)
    assert [one.step for one in dio.checkpoints] == [20, 10]
    assert (dio.checkpoints[0].parent, dio.checkpoints[0].parent_lies_here) == (first.name, True)
    assert not ann.checkpoints[0].parent_lies_here
    text = (world.status / "lineage.txt").read_text()
    assert f"{second.name} from {first.name}\n" in text
    assert f"{first.name} from the base model" in text
    assert "quest bin-level-1-0001, bin level 1; loss 1.5000, validation 0.5000" in text
    assert "answered bin 1: 4/5" in text
    assert "checkpoint-5-20260101-1230 (made room since)" in text
    heroes = json.loads((world.status / "lineage.json").read_bytes())["heroes"]
    assert heroes[1]["checkpoints"][0]["evaluations"] == [{"skill": "bin", "level": 1, "correct": 4, "total": 5}]
    assert "3 checkpoints of 2 heroes" in say("lineage")


def test_a_world_without_checkpoints_has_a_lineage_too(world: World) -> None:
    assert write_lineages(world) == []
    assert Path(world.status / "lineage.txt").read_text() == "No checkpoint was saved yet.\n"
