"""What a battle's checkpoints are scored on, and what is kept of a quest of the player's when its battle opens."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from arena.daemon import validation_sets
from arena.daemon.loop import ArenaDaemon
from arena.models import ChronicleEntry
from arena.protocol import EventKind, Order
from arena.rows.parse import Row, read_rows
from guild.models import SkillProgress
from realm.checkpoints import branches, sidecar
from realm.checkpoints.branches import Line, Segment
from realm.world import World
from tests.arena.daemon.test_loop import clock, open_daemon, settle, trainer
from tests.support.checkpoints import make_checkpoint
from tests.support.fake_trainer import FakeTrainer

__all__ = ["clock", "open_daemon", "trainer"]  # fixtures

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
Opener = Callable[..., ArenaDaemon]


def drop_own(world: World, name: str, numbers: range) -> None:
    rows = [json.dumps({"instruction": f"question {number}", "output": f"answer {number}"}) for number in numbers]
    path = world.inbox / name
    path.write_text("".join(f"{row}\n" for row in rows))
    os.utime(path, (1, 1))


def fight(daemon: ArenaDaemon, trainer: FakeTrainer, step: int = 10) -> Order:
    settle(daemon)
    order = trainer.orders[-1]
    trainer.begin()
    trainer.complete(step)
    settle(daemon)
    return order


def instructions(path: Path) -> list[str]:
    return [row.messages[0].content for row in read_rows(path) if isinstance(row, Row)]


def test_held_out_rows_stay_in_the_world_and_the_trainer_leaves_them_out(
    world: World, trainer: FakeTrainer, open_daemon: Opener
) -> None:
    drop_own(world, "own.jsonl", range(300))
    order = fight(open_daemon(), trainer)
    own = order.validation_sets[0]
    assert (own.name, own.always) == ("quest/own", True)
    assert Path(own.path) == world.validation_quests / f"own-{order.quest_sha256[:8]}.jsonl"
    held = instructions(Path(own.path))
    assert len(held) == 20
    assert order.set_aside_file is not None
    lines = np.load(order.set_aside_file).tolist()
    assert sorted(held) == sorted(f"question {line - 1}" for line in lines)
    kept = instructions(world.rehearsal / Path(own.path).name)
    assert not set(held) & set(kept)
    assert len(kept) == 280


def test_levels_reached_and_earlier_quests_are_scored_beside_them(
    world: World, trainer: FakeTrainer, open_daemon: Opener
) -> None:
    SkillProgress.objects.create(hero="DIO", skill="bin", level=2)
    daemon = open_daemon()
    drop_own(world, "own.jsonl", range(300))
    fight(daemon, trainer)
    drop_own(world, "skipped.jsonl", range(300, 600))
    settle(daemon)
    drop_own(world, "next.jsonl", range(600, 900))
    (world.validation / "mine.jsonl").write_text('{"text": "a"}\n')
    trainer.begin()
    trainer.say(EventKind.BATTLE_STOPPED)
    settle(daemon)
    names = [scored.name for scored in trainer.orders[-1].validation_sets]
    assert names == ["quest/next", "bin/2", "bin/1", "quest/own", "file/mine"], "what was not completed was not taught"


def test_what_is_wrong_with_a_file_of_the_players_is_told_once_with_its_line(
    world: World, trainer: FakeTrainer, open_daemon: Opener
) -> None:
    (world.validation / "some.jsonl").write_text('{"text": "a"}\n{broken\n')
    (world.validation / "none.jsonl").mkdir()
    daemon = open_daemon()
    for name, first in (("a.jsonl", 0), ("b.jsonl", 10)):
        drop_own(world, name, range(first, first + 10))
        fight(daemon, trainer)
    assert [scored.name for scored in trainer.orders[-1].validation_sets] == ["bin/1", "file/some"]
    said = list(ChronicleEntry.objects.filter(kind="validation_unreadable").values_list("message", flat=True))
    assert len(said) == 2
    assert said[0].startswith("data/validation/none.jsonl is left out: ")
    assert said[1].startswith("data/validation/some.jsonl, line 2: ")


def test_a_small_quest_has_none_and_its_rows_are_still_kept_to_be_rehearsed(
    world: World, trainer: FakeTrainer, open_daemon: Opener
) -> None:
    drop_own(world, "small.jsonl", range(20))
    order = fight(open_daemon(), trainer)
    assert order.set_aside_file is None
    assert list(world.validation_quests.iterdir()) == []
    assert len(instructions(world.rehearsal / f"small-{order.quest_sha256[:8]}.jsonl")) == 20


def after_going_back(world: World, trainer: FakeTrainer, open_daemon: Opener) -> dict[str, tuple[bool, bool]]:
    """By where the hero goes on: whether a quest taught since 10 is scored, and whether it is rehearsed."""
    daemon = open_daemon()
    hero = world.heroes / "DIO"
    drop_own(world, "own.jsonl", range(300))
    fight(daemon, trainer, step=20)
    saved = [sidecar.read(make_checkpoint(world.heroes, step)) for step in (10, 20)]
    found = {}
    for number, start in enumerate(saved, 1):
        branches.go_on_from(hero, start, moment=datetime.now(UTC))
        drop_own(world, f"next-{number}.jsonl", range(300 * number, 300 * number + 300))
        order = fight(daemon, trainer, step=start.step + 5)
        scored = "quest/own" in [one.name for one in order.validation_sets]
        found[f"from {start.step}"] = (scored, order.rehearsal_file is not None)
    return found


def test_what_only_a_left_branch_was_taught_is_neither_scored_nor_rehearsed(
    world: World, trainer: FakeTrainer, open_daemon: Opener
) -> None:
    found = after_going_back(world, trainer, open_daemon)
    assert found == {"from 10": (False, False), "from 20": (True, True)}


def test_twin_without_lines_a_left_branch_counts(
    world: World, trainer: FakeTrainer, open_daemon: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = Line((Segment("", None), Segment("2", None)))
    monkeypatch.setattr(validation_sets, "line_of", lambda hero: everything)
    assert after_going_back(world, trainer, open_daemon)["from 10"] == (True, True)
