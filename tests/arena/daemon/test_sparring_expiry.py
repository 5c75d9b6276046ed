"""A sparring's quest that the hero has outgrown is cancelled when its battle would begin, and never trained."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command

from arena.daemon import battles, sparring_expiry
from arena.daemon.loop import ArenaDaemon
from arena.daemon.sparring_expiry import why_stale
from arena.models import ChronicleEntry, Quest
from arena.reports import sparrings
from guild.models import Evaluation, Run
from guild.trainers.problems import Problem, to_jsonl
from guild.work import runs
from guild.work.sparring_result import SparringResult
from guild.work.sparring_rows import Binding, examples_of, to_row
from realm.checkpoints import branches, sidecar
from realm.config import RealmConfig
from realm.quest_names import sparring_level
from realm.world import World
from tests.arena.daemon.test_loop import clock, open_daemon, settle, states, told, trainer
from tests.support.checkpoints import make_checkpoint
from tests.support.fake_trainer import FakeTrainer

__all__ = ["clock", "open_daemon", "trainer"]  # fixtures

pytestmark = pytest.mark.django_db(transaction=True)

BINDING = Binding(hero="DIO", checkpoint="checkpoint-100-20260101-1230", step=100, sha256=None, seed=1, drawn=2)
NAME = "sparring-bin-level-1-100-0001"


def drop(world: World, *, name: str = NAME, binding: Binding = BINDING) -> Path:
    problems = [Problem(f"NOT {bits}", "right" + bits, "bin", 1) for bits in ("⓪①", "①①")]
    rows = [
        to_row(example, binding, skill="bin", level=1)
        for example in examples_of(problems[0], "wrong", problems[1], group=1)
    ]
    folder = world.inbox / "high"
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.jsonl"
    path.write_bytes(to_jsonl(rows))
    os.utime(path, (1, 1))  # it settled long ago
    return path


@pytest.mark.parametrize(
    ("newest", "most_steps", "sentence"),
    [
        (100, 0, ""),
        (1100, 1000, ""),
        (1101, 1000, "it is about mistakes of checkpoint-100-20260101-1230, and DIO has trained for 1001 steps since"),
        (101, 0, "1 steps since; 0 are the most"),
        (50, 1000, "which DIO at step 50 has not come from"),
    ],
)
def test_a_sparring_is_good_for_so_many_steps(world: World, newest: int, most_steps: int, sentence: str) -> None:
    make_checkpoint(world.heroes, newest)
    why = why_stale(world, drop(world), hero="DIO", most_steps=most_steps)
    assert why == "" if not sentence else sentence in why


def test_another_heros_mistakes_are_not_this_ones(world: World) -> None:
    make_checkpoint(world.heroes, 100, hero="EVA")
    why = why_stale(world, drop(world), hero="EVA", most_steps=1000)
    assert why == "it is about mistakes of DIO, and EVA fights"


@pytest.mark.parametrize("content", [b"", b"\n\n", b"no json\n", b'{"sparring": 5}\n', b'{"sparring": {"hero": 1}}\n'])
def test_any_other_quest_is_never_stale(world: World, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "sparring-bin-level-1-1-0001.jsonl"
    path.write_bytes(content)
    assert why_stale(world, path, hero="DIO", most_steps=0) == ""


def test_in_time_it_is_fought_before_all_else(
    world: World, trainer: FakeTrainer, open_daemon: Callable[..., ArenaDaemon]
) -> None:
    make_checkpoint(world.heroes, 150)
    drop(world)
    settle(open_daemon())
    assert [order.quest for order in trainer.orders] == [NAME]
    assert Quest.objects.get().priority == "high"


def outgrown(world: World, open_daemon: Callable[..., ArenaDaemon], name: str = NAME) -> None:
    make_checkpoint(world.heroes, 1101)
    drop(world, name=name)
    settle(open_daemon())


@pytest.mark.parametrize("name", [NAME, "renamed"])
def test_outgrown_it_is_cancelled_and_told_and_never_trained(
    world: World, trainer: FakeTrainer, open_daemon: Callable[..., ArenaDaemon], name: str
) -> None:
    outgrown(world, open_daemon, name)
    assert states() == {name: "cancelled"}
    assert not trainer.orders
    assert "1001 steps since" in Quest.objects.get().reason
    entry = ChronicleEntry.objects.get(kind="quest_cancelled")
    assert entry.message.startswith(f"{name} is cancelled: it is about mistakes of")
    reason = json.loads((world.failed / f"{name}.jsonl.reason.json").read_bytes())
    assert reason["state"] == "cancelled"
    assert (world.failed / f"{name}.jsonl").exists()
    assert (world.status / "sparring.json").exists()


def test_twin_without_the_check_it_is_trained(
    world: World,
    trainer: FakeTrainer,
    open_daemon: Callable[..., ArenaDaemon],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sparring_expiry, "why_stale", lambda *ignored, **also: "")
    outgrown(world, open_daemon)
    assert [order.quest for order in trainer.orders] == [NAME]


def test_the_setting_decides(world: World, trainer: FakeTrainer, open_daemon: Callable[..., ArenaDaemon]) -> None:
    make_checkpoint(world.heroes, 1101)
    drop(world)
    settle(open_daemon(RealmConfig(autoplay=False, gatekeeper={"sparring_stale_steps": 2000})))
    assert [order.quest for order in trainer.orders] == [NAME]


def test_what_waited_behind_it_is_fought(
    world: World, trainer: FakeTrainer, open_daemon: Callable[..., ArenaDaemon]
) -> None:
    make_checkpoint(world.heroes, 1101)
    drop(world)
    later = world.inbox / "b.jsonl"
    later.write_text('{"prompt": "a", "completion": "b"}\n')
    os.utime(later, (2, 2))
    daemon = open_daemon()
    for _ in range(20):
        daemon.tick()
    assert states() == {NAME: "cancelled", "b": "battling"}
    assert told().count("quest_cancelled") == 1


# What became of it.


def a_run(**changes: object) -> Run:
    fields = {
        "hero": "DIO", "skill": "bin", "level": 1, "checkpoint": BINDING.checkpoint, "step": 100, "sha256": None,
        "asked": 50, "wrong": 20, "examples": 60, "quest": NAME, "file": f"inbox/high/{NAME}.jsonl", "seconds": 1.0,
    }  # fmt: skip
    run = runs.create(kind=Run.Kind.SPARRING, title="a sparring", parameters={"hero": "DIO"}, by="test")
    run = runs.claim(run.pk)
    runs.finish(run, fields | changes, message="done")
    return run


def evaluate(step: int, correct: int, *, level: int = 1) -> None:
    Evaluation.objects.create(
        hero="DIO", checkpoint=f"c{step}", step=step, skill="bin", level=level, correct=correct, total=200,
        evaluated_at="2026-01-01T00:00:00Z",
    )  # fmt: skip


def test_the_gain_is_what_the_level_was_worth_before_and_after_its_battle(
    world: World, trainer: FakeTrainer, open_daemon: Callable[..., ArenaDaemon]
) -> None:
    make_checkpoint(world.heroes, 150)
    run = a_run()
    drop(world)
    daemon = open_daemon()
    settle(daemon)
    trainer.begin(first_step=150, total_steps=30)
    settle(daemon)
    assert sparrings.sparrings(world)[0].state == "battling"
    for step, correct in ((140, 10), (150, 100), (170, 120), (180, 140), (300, 0)):
        evaluate(step, correct)
    evaluate(175, 0, level=2)
    found = sparrings.sparrings(world)[0]
    assert found.run == run.pk
    assert found.gain is not None
    assert (found.gain.before_correct, found.gain.after_correct) == (100, 140)
    assert found.gain.share == pytest.approx(0.2)
    assert found.gain.is_clear
    trainer.save(180)
    settle(daemon)
    view = json.loads((world.status / "sparring.json").read_bytes())
    assert view["skills"]["bin"]["gain"]["after_correct"] == 140
    assert status().count("100/200 to 140/200, +20.0 points") == 1


def status() -> str:
    out = StringIO()
    call_command("spar", "--status", stdout=out, skip_checks=True)
    return out.getvalue()


def test_what_it_cost_the_levels_below_is_told(
    world: World, trainer: FakeTrainer, open_daemon: Callable[..., ArenaDaemon]
) -> None:
    make_checkpoint(world.heroes, 150)
    a_run(level=4)
    drop(world)
    daemon = open_daemon()
    settle(daemon)
    trainer.begin(first_step=150, total_steps=30)
    settle(daemon)
    evaluate(150, 160, level=4)
    evaluate(180, 96, level=4)
    (found,) = sparrings.sparrings(world)
    assert (found.below, found.unknown_below) == ((), 3)
    assert "-32.0 points │ --" in status()
    evaluate(140, 184, level=1)
    evaluate(175, 40, level=1)
    evaluate(180, 0, level=1)
    evaluate(300, 200, level=1)
    evaluate(150, 100, level=2)  # nobody asked after it
    evaluate(180, 100, level=3)  # nor before it
    evaluate(150, 0, level=5)
    evaluate(180, 200, level=5)
    (found,) = sparrings.sparrings(world)
    assert found.gain is not None
    assert (found.gain.level, round(found.gain.share, 3)) == (4, -0.32)
    assert [(gain.level, gain.before_correct, gain.after_correct) for gain in found.below] == [(1, 184, 0)]
    assert "level 1: 184/200 to 0/200, others --" in status()
    view = json.loads((world.status / "sparring.json").read_bytes())
    assert [(gain["level"], gain["share"]) for gain in view["skills"]["bin"]["below"]] == [(1, -0.92)]


@pytest.mark.parametrize("name", [NAME, "bin-level-2-0001"])
def test_the_battle_is_asked_the_level_below_only_where_it_is_a_sparrings(
    world: World, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    told: list[object] = []
    monkeypatch.setattr(battles.exam, "evaluation_files", lambda *_, **named: told.append(named["sparred"]) or ())
    battles._evaluation_sets(world, RealmConfig(), Quest(name=name, skill="bin"))
    assert told == [sparring_level(name)]
    assert (told == [None]) == (name != NAME)


def test_states_of_sparrings_without_a_quest(world: World) -> None:
    a_run(quest="", file="", wrong=0, examples=0)
    a_run()
    failed = runs.claim(runs.create(kind=Run.Kind.SPARRING, title="x", parameters={"hero": "DIO"}, by="t").pk)
    runs.fail(failed, "the host is down")
    found = sparrings.sparrings(world)
    assert [(entry.state, entry.result is None) for entry in found] == [
        ("failed", True), ("gone", False), ("nothing wrong", False),
    ]  # fmt: skip
    drop(world)
    assert sparrings.sparrings(world)[1].state == "in the inbox"
    assert sparrings.sparrings(world, hero="EVA") == []


def test_a_result_reads_as_it_was_written() -> None:
    found = sparrings._result(a_run())
    assert isinstance(found, SparringResult)
    assert found.accuracy == pytest.approx(0.6)


def test_mistakes_of_a_branch_that_was_left_are_outgrown(world: World) -> None:
    """By its step alone the checkpoint could be an ancestor."""
    hero = make_checkpoint(world.heroes, 50).parent
    make_checkpoint(world.heroes, BINDING.step)
    branches.go_on_from(hero, sidecar.read(hero / "checkpoint-50-20260101-1230"), moment=datetime.now(UTC))
    make_checkpoint(world.heroes, 150, branch="2")
    path = drop(world)
    assert "which DIO at step 150 has not come from" in why_stale(world, path, hero="DIO", most_steps=1000)
    branches.go_on_from(hero, sidecar.read(hero / BINDING.checkpoint), moment=datetime.now(UTC))
    assert why_stale(world, path, hero="DIO", most_steps=1000) == ""
