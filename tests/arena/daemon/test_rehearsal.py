"""What a quest of the player's rehearses: fresh problems of levels won, and rows of earlier quests."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from arena.daemon.loop import ArenaDaemon
from arena.daemon.rehearsal import rows_to_rehearse
from arena.gate import report as reports
from arena.models import ChronicleEntry, Quest
from arena.protocol import EventKind, Order
from arena.rows.parse import Row, read_rows
from guild.curriculum import rehearsal
from guild.errors import TrainerUnavailable
from guild.evaluation.validation import held_out
from guild.models import SkillProgress
from guild.skills.registry import get_trainer
from guild.trainers.problems import Problem
from realm.config import RealmConfig
from realm.world import World
from tests.arena.daemon.test_loop import clock, open_daemon, settle, trainer
from tests.arena.daemon.test_validation_sets import drop_own, fight
from tests.support.fake_trainer import FakeTrainer
from tests.support.small_skills import validation_problems

__all__ = ["clock", "open_daemon", "trainer"]  # fixtures

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
Opener = Callable[..., ArenaDaemon]


def has_won(level: int) -> None:
    SkillProgress.objects.create(hero="DIO", skill="bin", level=level + 1)


def rehearsed(order: Order) -> list[Row]:
    assert order.rehearsal_file is not None
    assert Path(order.rehearsal_file) == Path(order.battle_folder) / "rehearsal.jsonl"
    return [row for row in read_rows(Path(order.rehearsal_file)) if isinstance(row, Row)]


@pytest.mark.parametrize(("rows", "share", "expected"), [(400, 0.2, 100), (380, 0.2, 95), (400, 0.5, 400), (9, 0.0, 0)])
def test_they_are_a_share_of_all_rows(rows: int, share: float, expected: int) -> None:
    assert rows_to_rehearse(rows, share) == expected


def test_levels_won_are_rehearsed_in_equal_parts(world: World, trainer: FakeTrainer, open_daemon: Opener) -> None:
    has_won(2)
    drop_own(world, "own.jsonl", range(420))
    order = fight(open_daemon(), trainer)
    found = rehearsed(order)
    assert Counter((row.skill, row.level) for row in found) == {("bin", 1): 50, ("bin", 2): 50}
    assert len({row.messages[0].content for row in found}) == 100


def test_the_report_counts_them_apart_once_the_battle_began(
    world: World, trainer: FakeTrainer, open_daemon: Opener
) -> None:
    has_won(1)
    drop_own(world, "own.jsonl", range(420))
    daemon = open_daemon()
    settle(daemon)
    trainer.say(EventKind.BATTLE_STARTED, first_step=0, total_steps=77, refused=0, rehearsed=100)
    settle(daemon)
    report = reports.read_report(world.processing / "own.jsonl")
    assert report is not None
    assert (report.rehearsed, report.taken, report.held_out, report.steps) == (100, 399, 21, 77)


def test_earlier_quests_are_rehearsed_even_where_their_file_is_gone(
    world: World, trainer: FakeTrainer, open_daemon: Opener
) -> None:
    has_won(1)
    daemon = open_daemon()
    drop_own(world, "first.jsonl", range(300))
    fight(daemon, trainer)
    (world.recently_completed / "first.jsonl").unlink()
    drop_own(world, "second.jsonl", range(1000, 1420))
    order = fight(daemon, trainer)
    texts = [row.messages[0].content for row in rehearsed(order)]
    earlier = [int(text.split()[1]) for text in texts if text.startswith("question")]
    assert (len(texts), len(earlier)) == (100, 50)
    assert all(number < 300 for number in earlier)
    out = {row.messages[0].content for path in world.validation_quests.iterdir() for row in rows_of(path)}
    assert not out & set(texts)


def rows_of(path: Path) -> list[Row]:
    return [row for row in read_rows(path) if isinstance(row, Row)]


def test_a_hero_without_anything_won_rehearses_nothing(world: World, trainer: FakeTrainer, open_daemon: Opener) -> None:
    drop_own(world, "own.jsonl", range(420))
    assert fight(open_daemon(), trainer).rehearsal_file is None


def test_off_it_is_off_and_what_the_guild_forged_has_none(
    world: World, trainer: FakeTrainer, open_daemon: Opener
) -> None:
    has_won(1)
    daemon = open_daemon(RealmConfig(autoplay=False, training={"rehearsal_share": 0.0}))
    drop_own(world, "own.jsonl", range(420))
    assert fight(daemon, trainer).rehearsal_file is None
    drop_own(world, "bin-level-1-0001.jsonl", range(500, 600))
    assert fight(open_daemon(), trainer).rehearsal_file is None


def test_a_trainer_that_fails_costs_the_rehearsal_and_not_the_battle(
    world: World, trainer: FakeTrainer, open_daemon: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    has_won(1)
    daemon = open_daemon()
    validation_problems(world)

    def fail(**_: Any) -> Any:
        raise TrainerUnavailable("skill bin: nobody answers")

    drop_own(world, "own.jsonl", range(420))
    with monkeypatch.context() as patch:
        patch.setattr(get_trainer("bin"), "sample", fail)
        order = fight(daemon, trainer)
    assert order.rehearsal_file is None
    assert Quest.objects.get().state == Quest.State.COMPLETED
    said = ChronicleEntry.objects.filter(kind="guild_trouble").values_list("message", flat=True)
    assert list(said) == ["Nothing of bin is rehearsed: skill bin: nobody answers"]


def leaks(world: World, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether what is never trained on is rehearsed where a trainer would draw it first."""
    has_won(1)
    planted = [problem for problem in validation_problems(world) if problem.level == 1]
    forbidden = held_out(world)
    draw = get_trainer("bin").sample

    def sample(*, level: int, count: int, seed: int | None = None) -> list[Problem]:
        return (planted + draw(level=level, count=count, seed=seed))[:count]

    monkeypatch.setattr(get_trainer("bin"), "sample", sample)
    rows = rehearsal.lessons(world, "DIO", 50, 7, tell=pytest.fail)
    keys = {Problem(row["messages"][0]["content"], "", "bin", 1).key for row in rows}
    return bool(keys & forbidden)


def test_nothing_that_is_evaluated_or_scored_is_rehearsed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not leaks(world, monkeypatch)


def test_twin_without_the_exclusion_it_leaks(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rehearsal, "held_out", lambda *_: frozenset())
    assert leaks(world, monkeypatch)


def test_a_moved_world_has_its_rehearsal(world: World, trainer: FakeTrainer, open_daemon: Opener) -> None:
    has_won(1)
    drop_own(world, "own.jsonl", range(420))
    order = fight(open_daemon(), trainer)
    written = json.loads((Path(order.battle_folder) / "order.json").read_bytes())
    assert written["rehearsal_file"] == "./rehearsal.jsonl"
