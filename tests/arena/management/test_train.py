"""`manage.py train`: what it takes, how it follows an arena that another process runs, and what it counts."""

from __future__ import annotations

import io
import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from arena import status as arena_status
from arena.management.foreground import following, running_arena
from arena.management.foreground.following import Follower, Seen
from arena.management.foreground.telling import progress_line
from arena.models import Battle, Quest
from arena.protocol import EVENTS_FILE, Event, EventKind
from realm.disk import durable
from realm.world import World
from tests.support.checkpoints import make_checkpoint
from tests.watchtower.factories import append_steps, daemon_lock, make_battle, record, say_status

pytestmark = pytest.mark.django_db


def train(*words: str) -> str:
    out = io.StringIO()
    call_command("train", *words, stdout=out, stderr=io.StringIO())
    return out.getvalue()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--steps", "0"], "whole numbers from 1 on"),
        (["--hours", "nan"], "more than 0"),
        (["--replay", "3", "--steps", "2"], "--steps goes not with --replay"),
        (["--replay", "3", "quest.jsonl"], "FILE goes not with --replay"),
        (["--replay", "3", "--checkpoint-interval", "2"], "--checkpoint-interval goes not with --replay"),
        (["--tensor", "w"], "--tensor goes only with --replay"),
        (["--replay", "3", "--row", "2"], "--row is of a --tensor NAME"),
        (["--level", "2"], "--level is of a --skill NAME"),
        (["nothing.jsonl"], "nothing.jsonl is not a file"),
        (["--replay", "3"], "no battle of this world holds step 3"),
        (["--replay", "3", "--battle", "b"], "there is no battle 'b'"),
    ],
)
def test_what_makes_no_sense_is_a_sentence(world: World, words: list[str], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        train(*words)


def test_a_step_whose_quest_is_gone_cannot_be_done_again(world: World) -> None:
    make_battle(world)
    append_steps(world, "b1", [record(3)])
    with pytest.raises(CommandError, match="the file of quest-b1 is gone"):
        train("--replay", "3")


def tell(world: World, battle: str, number: int, kind: EventKind, step: int, **data: Any) -> None:
    event = Event(seq=number, time=0.0, kind=kind, step=step, message=f"{kind}", data=data)
    durable.append_line(world.battles / battle / EVENTS_FILE, event.to_line())


def test_what_is_done_is_counted_over_battles_and_roll_backs(world: World) -> None:
    make_battle(world, "b1")
    tell(world, "b1", 1, EventKind.FAULT, 1)  # before: no news
    say_status(world, battle="b1")
    with daemon_lock(world):
        follower = Follower(world=world, start=10, clock=lambda: 5.0)
        append_steps(world, "b1", [record(step) for step in range(11, 16)])
        tell(world, "b1", 2, EventKind.BATTLE_RESUMED, 10, total_steps=15)
        seen = follower.look()
        assert (follower.done, seen.step, seen.total, len(seen.events), follower.errors) == (5, 15, 15, 1, 0)
        path = world.battles / "b1" / "steps.bin"
        os.truncate(path, 3 * 56)
        tell(world, "b1", 3, EventKind.FAULT, 15)
        follower.look()
        assert (follower.done, follower.errors) == (3, 1)
        # The next battle has begun, and the last word of the one before was not heard yet.
        tell(world, "b1", 4, EventKind.BATTLE_COMPLETED, 13)
        make_battle(world, "b2")
        append_steps(world, "b2", [record(14, loss=0.25)])
        say_status(world, battle="b2")
        seen = follower.look()
        assert [event.kind for event in seen.events] == [EventKind.BATTLE_COMPLETED]
        assert (follower.done, follower.last_loss) == (4, 0.25)


def test_the_line_says_how_long_it_takes() -> None:
    seen = Seen(
        state="training", message="", battle="b", quest="q", step=120, quest_step=20, total=40, loss=1.5,
        learning_rate=5e-4, steps_per_second=2.0,
    )  # fmt: skip
    assert progress_line(seen, 20, 100) == "step 120, 20 of 100 · loss 1.5000 · lr 0.0005 · 2 steps/s · 0:00:40 left"
    assert progress_line(seen, 20, None).endswith("0:00:10 left")


@contextmanager
def arena(world: World, monkeypatch: pytest.MonkeyPatch, *acts: Callable[[], None]) -> Iterator[None]:
    """A daemon as far as files say; the next of `acts` happens before each look."""
    left = list(acts)
    look = Follower.look

    def act(follower: Follower) -> Seen:
        if left:
            left.pop(0)()
        return look(follower)

    make_battle(world, "b1")
    append_steps(world, "b1", [record(1)])
    say_status(world, battle="b1")
    monkeypatch.setattr(Follower, "look", act)
    monkeypatch.setattr(running_arena, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(running_arena, "_ASK_SECONDS", 0.0)
    with daemon_lock(world):
        yield


def test_it_follows_until_so_many_more_are_done(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoint = make_checkpoint(world.heroes, 1)
    steps = [lambda step=step: append_steps(world, "b1", [record(step)]) for step in range(2, 6)]  # type: ignore[misc]
    with arena(world, monkeypatch, lambda: None, *steps):
        told = json.loads(train("--steps", "3", "--json"))
    assert (told["steps_completed"], told["first_step"], told["last_step"], told["ended_by"]) == (3, 1, 4, "steps")
    assert told["final_loss"] == pytest.approx(0.25)
    assert (told["checkpoint"], told["error_count"]) == (checkpoint.name, 0)
    (line,) = [record for record in caplog.records if "3 steps in" in record.message]
    assert (line.name, line.levelname) == ("arena.train", "INFO")


def test_without_a_number_it_follows_to_the_quests_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def over() -> None:
        Quest.objects.update(state=Quest.State.COMPLETED)
        Battle.objects.update(state=Battle.State.COMPLETED)

    with arena(world, monkeypatch, lambda: None, over):
        Quest.objects.update(state=Quest.State.BATTLING)
        assert json.loads(train("--json"))["ended_by"] == "quests"


def test_a_file_that_is_refused_ends_it_though_steps_are_wanted(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "mine.jsonl").write_text('{"prompt": "a", "completion": "b"}\n')

    def refuse() -> None:
        job = json.loads(next(world.queue.rglob("*.job.json")).read_text())["id"]
        Quest.objects.update(name="mine", job=job, state=Quest.State.FAILED, reason="the same content as another")

    with arena(world, monkeypatch, lambda: None, refuse), pytest.raises(CommandError, match="mine failed: the same"):
        train(str(tmp_path / "mine.jsonl"), "--steps", "3")


def test_the_arenas_end_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def die() -> None:
        monkeypatch.setattr(arena_status, "daemon_alive", lambda world: False)

    with arena(world, monkeypatch, lambda: None, die), pytest.raises(CommandError, match="the arena has ended"):
        train("--steps", "3")


def test_ctrl_c_leaves_the_arena_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt() -> None:
        signal.raise_signal(signal.SIGINT)

    with arena(world, monkeypatch, lambda: None, interrupt), pytest.raises(SystemExit) as left:
        train("--steps", "3")
    assert left.value.code == 130
    assert not list(world.control.glob("*.command.json"))


def test_its_interval_is_no_running_arenas(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with arena(world, monkeypatch), pytest.raises(CommandError, match="keeps its own checkpoint interval"):
        train("--steps", "3", "--checkpoint-interval", "2")


def test_an_arena_that_rests_is_resumed_when_that_is_said(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    arena_status.rest(world, asked="pause")
    with arena(world, monkeypatch):
        with pytest.raises(CommandError, match="the arena rests: pause was asked for; --resume lets it go on"):
            train("--steps", "1")
        monkeypatch.setattr(running_arena.time, "sleep", lambda _: [p.unlink() for p in orders_left(world)])
        monkeypatch.setattr(Follower, "done", property(lambda self: 1))
        train("--steps", "1", "--resume")
    assert not orders_left(world)


def orders_left(world: World) -> list[Path]:
    return list(world.control.glob("*.command.json"))


def test_twin_a_follower_that_keeps_no_place_tells_old_news(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following.Follower, "__post_init__", lambda self: setattr(self, "begun", 0.0))
    with pytest.raises(AssertionError):
        test_what_is_done_is_counted_over_battles_and_roll_backs(world)
