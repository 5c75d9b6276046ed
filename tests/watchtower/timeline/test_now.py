"""What the realm is said to do at a moment: each idle one with the reason that its owner can act on."""

from __future__ import annotations

import os
import time
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any

import pytest

from arena import status as arena_status
from arena.models import Quest
from guild.models import Run
from realm import config as realm_config
from realm.config import RealmConfig
from realm.weaver import WeaverError, verbs
from realm.weaver.supervisord import ServiceState
from realm.world import World
from tests.watchtower.factories import append_steps, daemon_lock, make_battle, record, say_status, tell
from watchtower.timeline import now as present
from watchtower.timeline.now import Activity, look

pytestmark = pytest.mark.django_db


def seen(world: World, *, alive: bool = True) -> tuple[str, str]:
    with daemon_lock(world) if alive else nullcontext():
        found = look(world, RealmConfig())
    return found.kind, found.why


def set_autoplay(world: World, on: bool) -> None:
    realm_config.config_file(world).write_text(f"autoplay: {str(on).lower()}\n")


@pytest.mark.parametrize(
    ("status", "kind", "why"),
    [
        ({"state": "idle"}, "waiting", "no quest waits, and auto-play is off"),
        ({"state": "preparing"}, "preparing", "the trainer starts"),
        ({"state": "preparing", "quest": "q", "battle": "b1"}, "preparing", "q begins"),
        ({"state": "paused", "waits": True, "message": "/ is full: 3 are free"}, "waiting", "/ is full: 3 are free"),
        ({"state": "paused", "waits": True}, "waiting", "the battle waits for room on the disk"),
        ({"state": "resting", "message": "no such model: org/x"}, "waiting", "no such model: org/x"),
        ({"state": "idle", "message": "no skill wants a quest"}, "waiting", "no skill wants a quest"),
        ({"state": "resting"}, "waiting", "the arena rests until it is resumed"),
        ({"state": "training", "at": -60.0}, "hung", "the arena's daemon lives and says nothing"),
    ],
)  # fmt: skip
def test_what_the_daemon_says(world: World, status: dict[str, Any], kind: str, why: str) -> None:
    set_autoplay(world, False)
    say_status(world, **status | {"at": time.time() + status.get("at", 0.0)})
    assert seen(world) == (kind, why)


@pytest.mark.parametrize(("holder", "kind"), [(1, "preparing"), (os.getpid(), "hung")], ids=["another", "twin"])
def test_a_daemon_that_starts_is_not_believed_to_hang(world: World, holder: int, kind: str) -> None:
    """What stands there is of the one before."""
    say_status(world, "offline", at=time.time() - 60)
    with daemon_lock(world):
        (world.control / arena_status.LOCK_FILE).write_text(str(holder))
        assert look(world, RealmConfig()).kind == kind


def test_nothing_to_do_and_auto_play_is_a_forging(world: World) -> None:
    set_autoplay(world, True)
    say_status(world, "idle")
    assert seen(world) == ("forging", "the guild forges the next quest")


def test_who_paused_it(world: World) -> None:
    say_status(world, "paused", battle="b1", quest="q")
    arena_status.rest(world, asked="pause", by="tavern")
    assert seen(world) == ("paused", "paused by tavern")
    arena_status.rest(world, asked="stop", by="command line")
    assert seen(world) == ("paused", "ended and told to rest by command line")
    arena_status.rest(world, asked="pause")
    assert seen(world) == ("paused", "paused"), "of an earlier release"


def test_what_waits_and_what_is_held(world: World) -> None:
    set_autoplay(world, False)
    say_status(world, "idle")
    quest = Quest.objects.create(
        name="q", sha256="0" * 64, file="normal/q.jsonl", arrived_at=datetime.now(UTC), state=Quest.State.INSPECTED
    )
    assert seen(world)[1] == "the quests that wait are on hold, and auto-play is off"
    quest.state = Quest.State.ARRIVED
    quest.save()
    assert seen(world) == ("inspecting", "the gatekeepers look at quests")


def test_work_beside_a_rest_is_no_idle_time_and_both_are_said(world: World) -> None:
    say_status(world, "resting")
    arena_status.rest(world, asked="pause", by="tavern")
    run = Run.objects.create(kind=Run.Kind.TRIAL, state=Run.State.RUNNING, title="Trial of BIN", created_by="me")
    assert seen(world) == ("working", "Trial of BIN; paused by tavern")
    run.kind = Run.Kind.FORGE
    run.save()
    assert seen(world)[0] == "forging"


def test_between_steps_the_hero_is_asked(world: World) -> None:
    battle, now = make_battle(world), time.time()
    say_status(world, "training", battle="b1", quest="q")
    assert seen(world) == ("training", "")
    append_steps(world, "b1", [record(1, time=now - 40, step_seconds=0.1)])
    assert seen(world)[0] == "preparing"
    tell(battle.battle_id, 1, kind="checkpoint_saved")
    assert seen(world)[0] == "evaluating"
    append_steps(world, "b1", [record(2, time=now - 40, step_seconds=20.0)])
    assert seen(world)[0] == "training", "a slow step"


def states(arena: str) -> list[ServiceState]:
    return [ServiceState(name="arena", state=arena, pid=None, uptime_seconds=None)]


@pytest.mark.parametrize(("state", "said"), [("STOPPED", "it was stopped"), ("FATAL", "the weaver gave it up")])
def test_a_daemon_that_is_gone(world: World, monkeypatch: pytest.MonkeyPatch, state: str, said: str) -> None:
    say_status(world, "training")
    monkeypatch.setattr(verbs, "status", lambda world, config: states(state))
    kind, why = seen(world, alive=False)
    assert (kind, said in why) == ("off", True)


def test_a_weaver_that_does_not_answer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(world: World, config: RealmConfig) -> list[ServiceState]:
        raise WeaverError("held and silent")

    monkeypatch.setattr(verbs, "status", silent)
    assert "held and silent" in seen(world, alive=False)[1]


def test_twin_a_look_that_believes_old_words_calls_a_stuck_daemon_training(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(present, "is_fresh", lambda told_at, now: True)
    make_battle(world)
    say_status(world, "training", battle="b1", at=time.time() - 60)
    with daemon_lock(world):
        assert look(world, RealmConfig()) == Activity(kind=present.Kind.TRAINING, battle="b1")
