"""A deleted database, a moved world: what the folders say is what is."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from arena.daemon import events, recovery
from arena.daemon.loop import ArenaDaemon
from arena.models import Battle, ChronicleEntry, Quest
from arena.protocol import EventKind, Order
from realm.disk import durable
from realm.oracle import served
from realm.oracle.served import Served
from realm.world import World
from tests.arena.daemon.test_loop import CONFIG, GOOD, clock, drop, open_daemon, settle, states, trainer
from tests.support.fake_trainer import FakeTrainer

__all__ = ["clock", "open_daemon", "trainer"]  # fixtures

pytestmark = pytest.mark.django_db(transaction=True)
Opener = Callable[..., ArenaDaemon]


def lose_database() -> None:
    Quest.objects.all().delete()
    ChronicleEntry.objects.all().delete()


def fight(trainer: FakeTrainer, daemon: ArenaDaemon, step: int) -> None:
    trainer.begin()
    trainer.save(step)
    trainer.complete(step)
    settle(daemon)


def test_a_refused_duplicate_is_not_paid_for(world: World, trainer: FakeTrainer, open_daemon: Opener) -> None:
    drop(world, "a.jsonl")
    daemon = open_daemon()
    settle(daemon)
    fight(trainer, daemon, 5)
    drop(world, "b.jsonl").write_text(GOOD.format("a.jsonl"))
    os.utime(world.inbox / "b.jsonl", (1, 1))
    settle(daemon)
    lose_database()
    settle(open_daemon())
    assert states() == {"a": "completed", "b": "failed"}


def test_a_retry_that_is_fought_goes_on(world: World, trainer: FakeTrainer, open_daemon: Opener) -> None:
    drop(world, "a.jsonl")
    daemon = open_daemon()
    settle(daemon)
    trainer.begin()
    trainer.say(EventKind.BATTLE_FAILED, reason="x", blame="quest")
    settle(daemon)
    drop(world, "a.jsonl")
    settle(daemon)
    trainer.begin()
    settle(daemon)
    lose_database()
    settle(open_daemon())
    assert (world.processing / "a.jsonl").exists()
    assert sorted(Quest.objects.values_list("state", flat=True)) == ["battling", "failed"]
    assert trainer.orders[-1].battle == trainer.orders[-2].battle


def test_forged_quests_that_made_room_still_count(world: World, trainer: FakeTrainer, open_daemon: Opener) -> None:
    lesson = '{{"prompt": "{0}", "completion": "{0}", "skill": "bin", "level": 1}}\n'
    daemon = open_daemon(replace(CONFIG, keep_forged_quests=1))
    for step, name in enumerate(["bin-level-1-0001", "bin-level-1-0002", "bin-level-1-0003"], start=1):
        drop(world, f"{name}.jsonl").write_text(lesson.format(name))
        os.utime(world.inbox / f"{name}.jsonl", (1, 1))
        settle(daemon)
        fight(trainer, daemon, step)
    lose_database()
    settle(open_daemon())
    assert list(Quest.objects.values_list("state", flat=True)) == ["completed"] * 3
    assert list(Battle.objects.values_list("state", flat=True)) == ["completed"] * 3
    assert ChronicleEntry.objects.filter(kind="quest_completed").count() == 3


def test_lost_answers_are_told_and_stop_nothing(world: World, trainer: FakeTrainer, open_daemon: Opener) -> None:
    drop(world, "a.jsonl")
    daemon = open_daemon()
    settle(daemon)
    trainer.begin()
    folder = Path(trainer.orders[-1].battle_folder) / "answers"
    folder.mkdir()
    durable.write_json(folder / "x.json", [""] * 25)
    trainer.say(EventKind.ANSWERED, step=1, checkpoint="c", skill="bin", level=1, file="answers/x.json")
    trainer.complete(5)
    settle(daemon)
    lose_database()
    shutil.rmtree(folder)
    settle(open_daemon())
    assert ChronicleEntry.objects.filter(kind="guild_trouble").count() == 1
    assert states() == {"a": "completed"}


def test_a_moved_world_names_nothing_of_its_old_place(
    world: World, trainer: FakeTrainer, open_daemon: Opener, tmp_path: Path
) -> None:
    drop(world, "a.jsonl")
    settle(open_daemon())
    written = Path(trainer.orders[0].battle_folder) / "order.json"
    assert str(world.home) not in written.read_text()
    moved = World(tmp_path / "elsewhere")
    os.rename(world.home, moved.home)
    order = Order.read(moved.battles / trainer.orders[0].battle / "order.json")
    sets = [scored.path for scored in order.validation_sets]
    assert sets
    for path in (order.battle_folder, order.quest_file, order.hero_folder, order.base_model, *sets):
        assert Path(path).is_relative_to(moved.home)
        assert Path(path).exists()
    lose_database()
    recovery.bring_into_line(moved)
    assert states() == {"a": "battling"}


def test_a_hub_id_and_a_model_elsewhere_stay_what_they_are(tmp_path: Path, trainer: FakeTrainer) -> None:
    folder = tmp_path / "world" / "battles" / "b"
    folder.mkdir(parents=True)
    for base_model in ("Qwen/Qwen3-0.6B", "/models/qwen"):
        order = Order(
            battle="b", battle_folder=str(folder), quest="q", quest_file=str(folder / "q"), quest_sha256="", hero="DIO",
            hero_folder=str(tmp_path / "world" / "hero"), base_model=base_model,
        )  # fmt: skip
        assert Order.read(order.write()) == order


@pytest.mark.slow
def test_forged_quests_that_fail_again_and_again_stop_the_play(
    world: World, trainer: FakeTrainer, open_daemon: Opener
) -> None:
    daemon = open_daemon(replace(CONFIG, autoplay=True))
    for attempt in range(1, 4):
        daemon.tick()
        for path in world.inbox.glob("*.jsonl"):
            os.utime(path, (1, 1))
        settle(daemon)
        trainer.begin()
        trainer.say(EventKind.BATTLE_FAILED, reason="too long", blame="quest")
        daemon.tick()
        assert daemon.rest.active == (attempt == 3)
    settle(daemon)
    said = json.loads((world.status / "arena.json").read_text())
    assert "3 forged quests failed in a row" in said["message"]


def test_a_long_battle_makes_room_too(world: World, trainer: FakeTrainer, open_daemon: Opener) -> None:
    daemon = open_daemon(replace(CONFIG, keep_checkpoints=2))
    drop(world, "a.jsonl")
    settle(daemon)
    trainer.begin()
    for step in range(1, 9):
        trainer.save(step)
        settle(daemon)
    assert len(list(world.heroes.glob("*/checkpoint-*"))) <= 4


@pytest.mark.parametrize("asked", [True, False])
def test_what_a_host_holds_is_not_pruned(
    world: World, trainer: FakeTrainer, open_daemon: Opener, monkeypatch: pytest.MonkeyPatch, asked: bool
) -> None:
    """Where the daemon does not ask, it is."""
    if not asked:
        monkeypatch.setattr(served, "held", lambda world, hero: set())
    daemon = open_daemon(replace(CONFIG, keep_checkpoints=2))
    drop(world, "a.jsonl")
    settle(daemon)
    trainer.begin()
    with Served(world, 1) as host:
        for step in range(1, 9):
            name = trainer.save(step)
            if step == 4:
                host.tell([f"DIO/{name}"])
                answering = world.heroes / "DIO" / name
            settle(daemon)
        assert answering.exists() == asked


def states_seen_while_the_past_is_read(world: World, trainer: FakeTrainer, open_daemon: Opener) -> set[str]:
    drop(world, "a.jsonl")
    daemon = open_daemon()
    settle(daemon)
    trainer.begin()
    trainer.save(5)
    trainer.say(EventKind.BATTLE_PAUSED, step=5, asked="player")
    settle(daemon)
    lose_database()
    seen = set()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(events, "_settle_files", lambda *_: seen.add(Battle.objects.get().state))
        recovery.bring_into_line(world)
    return seen | {Battle.objects.get().state}


def test_a_battle_that_rests_is_never_seen_to_go_on(world: World, trainer: FakeTrainer, open_daemon: Opener) -> None:
    assert states_seen_while_the_past_is_read(world, trainer, open_daemon) == {"paused"}


def test_twin_that_shows_each_state_of_the_past(
    world: World, trainer: FakeTrainer, open_daemon: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "ends_paused", lambda *_, **__: False)
    assert states_seen_while_the_past_is_read(world, trainer, open_daemon) == {"training", "paused"}
