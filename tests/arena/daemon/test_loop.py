"""What the daemon does on each tick, with a trainer that only keeps the files' contract."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from arena import orders
from arena import status as arena_status
from arena.daemon import champions, recovery
from arena.daemon.autoplay import Player
from arena.daemon.battles import ensure_hero
from arena.daemon.loop import AnotherDaemon, ArenaDaemon, only_daemon
from arena.daemon.trainer.care import MOST_DEATHS
from arena.daemon.trainer.process import TrainerProcess
from arena.models import Battle, ChronicleEntry, Quest
from arena.orders import Wish
from arena.protocol import Command, EventKind
from guild.champion import rule
from guild.curriculum.plan import read_curriculum
from guild.evaluation.progression import move_up
from guild.skills.registry import get_skill
from realm.config import RealmConfig
from realm.strict import BadConfig
from realm.world import World
from tests.support.fake_trainer import FakeTrainer
from tests.support.local_gate import LocalGate
from vault import chronicle as vault_chronicle

pytestmark = pytest.mark.django_db(transaction=True)

CONFIG = RealmConfig(autoplay=False)
GOOD = '{{"prompt": "{0}", "completion": "{0}"}}\n'


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def trainer() -> FakeTrainer:
    return FakeTrainer()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def open_daemon(world: World, trainer: FakeTrainer, clock: Clock) -> Callable[..., ArenaDaemon]:
    ensure_hero(world, CONFIG)

    def build(config: RealmConfig = CONFIG) -> ArenaDaemon:
        recovery.bring_into_line(world)
        return ArenaDaemon(
            world=world,
            config=config,
            trainer=cast(TrainerProcess, trainer),
            gate=LocalGate(world),
            player=Player(
                world,
                config.hero,
                lambda: read_curriculum(config),
                lambda: None,
                clock=clock,
                do=lambda work: work(),
            ),
            clock=clock,
        )

    return build


def settle(daemon: ArenaDaemon) -> None:
    for _ in range(20):
        if not daemon.tick():
            return
    raise AssertionError("the daemon does not come to rest")


def drop(world: World, name: str) -> Path:
    path = world.inbox / name
    path.write_text(GOOD.format(name))
    os.utime(path, (1, 1))
    return path


def states() -> dict[str, str]:
    return dict(Quest.objects.values_list("name", "state"))


def told() -> list[str]:
    return list(ChronicleEntry.objects.order_by("id").values_list("kind", flat=True))


def test_from_inbox_to_completed(world: World, trainer: FakeTrainer, open_daemon: Callable[..., ArenaDaemon]) -> None:
    drop(world, "a.jsonl")
    daemon = open_daemon()
    settle(daemon)
    assert (world.processing / "a.jsonl").exists()
    assert [order.quest for order in trainer.orders] == ["a"]
    trainer.begin()
    settle(daemon)
    assert world.arena_status.name in {path.name for path in world.status.iterdir()}
    assert json.loads((world.status / "arena.json").read_text())["state"] == "training"
    trainer.save(1200, val_loss=2.0)
    trainer.complete(1200)
    settle(daemon)
    assert states() == {"a": "completed"}
    assert (world.recently_completed / "a.jsonl").exists()
    assert told() == [
        "quest_arrived", "battle_started", "checkpoint_saved", "hero_level_up", "battle_completed", "quest_completed",
        "quest_outcome",
    ]  # fmt: skip
    assert daemon.tick() is False
    assert json.loads((world.status / "arena.json").read_text())["state"] == "idle"
    (line,) = vault_chronicle.read(world)
    assert (line.action, line.by, line.asset_id.split("_")[:3]) == ("save", "arena", ["checkpoint", "1200", "DIO"])


def test_of_checkpoints_that_answered_nothing_the_lower_loss_is_the_new_champion(
    world: World, trainer: FakeTrainer, open_daemon: Callable[..., ArenaDaemon]
) -> None:
    drop(world, "a.jsonl")
    daemon = open_daemon()
    settle(daemon)
    for step, val_loss in ((1, 2.0), (2, 1.5), (3, 1.7)):
        trainer.save(step, val_loss=val_loss)
    settle(daemon)
    trainer.complete(3)
    settle(daemon)
    champions = ChronicleEntry.objects.filter(kind="new_champion")
    assert [entry.data["previous"] for entry in champions] == ["checkpoint-1-20260101-0000"]
    assert champions[0].message == "New champion! Checkpoint 2 beats 1: loss 1.5 < 2"


def test_events_are_taken_in_once_however_often_they_are_read(
    world: World, trainer: FakeTrainer, open_daemon: Callable[..., ArenaDaemon]
) -> None:
    drop(world, "a.jsonl")
    daemon = open_daemon()
    settle(daemon)
    trainer.begin()
    trainer.save(1000)
    trainer.complete(1000)
    settle(daemon)
    before = list(ChronicleEntry.objects.values_list("id", "kind"))
    Battle.objects.update(events_offset=0, state=Battle.State.TRAINING)
    open_daemon()
    assert list(ChronicleEntry.objects.values_list("id", "kind")) == before
    assert Battle.objects.get().state == Battle.State.COMPLETED


def test_a_half_line_waits_and_a_bad_line_is_told(
    world: World, trainer: FakeTrainer, open_daemon: Callable[..., ArenaDaemon]
) -> None:
    drop(world, "a.jsonl")
    daemon = open_daemon()
    settle(daemon)
    events = Path(trainer.orders[0].battle_folder) / "events.jsonl"
    events.write_bytes(b'{"rubbish": 1}\n{"seq": 1, "time": 1.0, "kind": "battle_')
    settle(daemon)
    assert told() == ["quest_arrived", "bad_line"]
    with open(events, "ab") as file:
        file.write(b'paused", "step": 3, "message": "m", "data": {}}\n')
    settle(daemon)
    assert told()[:3] == ["quest_arrived", "bad_line", "battle_paused"]


def test_pause_and_resume(world: World, trainer: FakeTrainer, open_daemon: Callable[..., ArenaDaemon]) -> None:
    drop(world, "a.jsonl")
    daemon = open_daemon()
    settle(daemon)
    orders.send(world, wish=Wish.PAUSE, by="test")
    settle(daemon)
    assert trainer.commands == [Command.PAUSE]
    trainer.say(EventKind.BATTLE_PAUSED, asked="pause")
    drop(world, "b.jsonl")
    settle(daemon)
    assert json.loads((world.status / "arena.json").read_text())["state"] == "paused"
    assert len(trainer.orders) == 1, "nothing is fought while the player rests"
    resumed = open_daemon()  # rest outlives the daemon
    settle(resumed)
    assert len(trainer.orders) == 1
    orders.send(world, wish=Wish.RESUME, by="test")
    settle(resumed)
    assert [order.battle for order in trainer.orders] == [trainer.orders[0].battle] * 2
    assert list(world.control.glob("*.command.json")) == []


def test_stop_ends_the_battle_and_rests(
    world: World, trainer: FakeTrainer, open_daemon: Callable[..., ArenaDaemon]
) -> None:
    drop(world, "a.jsonl")
    daemon = open_daemon()
    settle(daemon)
    orders.send(world, wish=Wish.STOP, by="test")
    settle(daemon)
    trainer.say(EventKind.BATTLE_STOPPED, step=7)
    settle(daemon)
    assert states() == {"a": "cancelled"}
    assert "stopped by the player" in json.loads((world.failed / "a.jsonl.reason.json").read_text())["reason"]
    assert daemon.rest.active


def test_stop_while_paused_ends_the_resting_battle(
    world: World, trainer: FakeTrainer, open_daemon: Callable[..., ArenaDaemon]
) -> None:
    drop(world, "a.jsonl")
    daemon = open_daemon()
    settle(daemon)
    orders.send(world, wish=Wish.PAUSE, by="test")
    settle(daemon)
    trainer.say(EventKind.BATTLE_PAUSED, asked="pause")
    orders.send(world, wish=Wish.STOP, by="test")
    settle(daemon)
    assert states() == {"a": "cancelled"}
    assert Battle.objects.get().state == Battle.State.STOPPED


def test_a_dead_trainer_is_started_again_and_the_battle_resumed(
    world: World, trainer: FakeTrainer, clock: Clock, open_daemon: Callable[..., ArenaDaemon]
) -> None:
    drop(world, "a.jsonl")
    daemon = open_daemon()
    settle(daemon)
    trainer.die()
    settle(daemon)
    assert trainer.starts == 1, "it waits a moment first"
    clock.now += 60
    settle(daemon)
    assert trainer.starts == 2
    assert [order.battle for order in trainer.orders] == [trainer.orders[0].battle] * 2
    assert "trainer_died" in told()


def test_a_quest_that_kills_the_trainer_is_set_aside_and_the_next_one_runs(
    world: World, trainer: FakeTrainer, clock: Clock, open_daemon: Callable[..., ArenaDaemon]
) -> None:
    drop(world, "a.jsonl")
    daemon = open_daemon()
    settle(daemon)
    drop(world, "b.jsonl")
    for _ in range(MOST_DEATHS):
        trainer.die()
        settle(daemon)
        clock.now += 60
        settle(daemon)
    assert states() == {"a": "failed", "b": "battling"}
    assert "out of luck" in json.loads((world.failed / "a.jsonl.reason.json").read_text())["reason"]
    assert trainer.orders[-1].quest == "b"


def test_a_fault_of_the_quest_fails_it_a_fault_of_the_hero_does_not(
    world: World, trainer: FakeTrainer, open_daemon: Callable[..., ArenaDaemon]
) -> None:
    drop(world, "a.jsonl")
    daemon = open_daemon()
    settle(daemon)
    trainer.say(EventKind.BATTLE_FAILED, reason="every mask is empty", blame="quest")
    drop(world, "b.jsonl")
    settle(daemon)
    assert states() == {"a": "failed", "b": "battling"}
    trainer.say(EventKind.BATTLE_FAILED, reason="no such model", blame="hero")
    settle(daemon)
    assert states()["b"] == "battling"
    status = json.loads((world.status / "arena.json").read_text())
    assert status["state"] == "paused"
    assert "battle_failed" in status["message"]


def test_a_quest_moved_just_before_a_kill_waits_again(
    world: World, trainer: FakeTrainer, open_daemon: Callable[..., ArenaDaemon]
) -> None:
    drop(world, "a.jsonl")
    orders.send(world, wish=Wish.PAUSE, by="test")
    settle(open_daemon())
    os.rename(world.lane("normal") / "a.jsonl", world.processing / "a.jsonl")
    open_daemon()
    assert states() == {"a": "queued"}
    assert (world.lane("normal") / "a.jsonl").exists()


def test_a_lost_database_is_rebuilt_from_the_folders(
    world: World, trainer: FakeTrainer, open_daemon: Callable[..., ArenaDaemon]
) -> None:
    drop(world, "a.jsonl")
    daemon = open_daemon()
    settle(daemon)
    trainer.begin()
    trainer.save(5)
    trainer.complete(5)
    drop(world, "b.jsonl")
    settle(daemon)
    trainer.begin(first_step=5)
    settle(daemon)
    battle_of_b = trainer.orders[-1].battle
    Quest.objects.all().delete()
    ChronicleEntry.objects.all().delete()
    settle(open_daemon())
    assert states() == {"a": "completed", "b": "battling"}
    assert trainer.orders[-1].battle == battle_of_b, "the battle goes on, it does not begin anew"
    drop(world, "again.jsonl").write_text(GOOD.format("a.jsonl"))
    os.utime(world.inbox / "again.jsonl", (1, 1))
    settle(open_daemon())
    assert states()["again"] == "failed", "what was trained before the loss is still known"


def test_a_quest_whose_file_was_taken_away_is_cancelled(
    world: World, trainer: FakeTrainer, open_daemon: Callable[..., ArenaDaemon]
) -> None:
    drop(world, "a.jsonl")
    drop(world, "b.jsonl")
    daemon = open_daemon()
    settle(daemon)
    (world.lane("normal") / "b.jsonl").unlink()
    trainer.complete(1)
    settle(daemon)
    settle(daemon)
    assert states() == {"a": "completed", "b": "cancelled"}


def test_auto_play_forges_only_while_nothing_waits(
    world: World, trainer: FakeTrainer, open_daemon: Callable[..., ArenaDaemon]
) -> None:
    daemon = open_daemon(RealmConfig(autoplay=True))
    daemon.tick()
    forged = list(world.inbox.glob("bin-level-1-*.jsonl"))
    assert len(forged) == 1
    os.utime(forged[0], (1, 1))
    settle(daemon)
    assert [order.skill for order in trainer.orders] == ["bin"]
    assert trainer.orders[0].evaluation_sets[0].level == 1
    assert len(Quest.objects.all()) == 1


def test_forged_quests_make_room_and_the_players_stay(
    world: World, trainer: FakeTrainer, open_daemon: Callable[..., ArenaDaemon]
) -> None:
    lesson = '{{"prompt": "{0}", "completion": "{0}", "skill": "bin", "level": 1}}\n'
    daemon = open_daemon(replace(CONFIG, keep_forged_quests=1))
    sparred = "sparring-bin-level-1-100-0001"
    names = ["bin-level-1-0001", sparred, "sparring-mine", "bin-level-1-0002", "mine", "bin-level-1-0003"]
    for step, name in enumerate(names, start=1):
        drop(world, f"{name}.jsonl").write_text(lesson.format(name))
        os.utime(world.inbox / f"{name}.jsonl", (1, 1))
        settle(daemon)
        trainer.save(step)
        trainer.complete(step)
        settle(daemon)
    kept = sorted(path.stem for path in world.recently_completed.glob("*.jsonl"))
    assert kept == ["bin-level-1-0003", "mine", "sparring-mine"]
    drop(world, "again.jsonl").write_text(lesson.format(names[0]))
    os.utime(world.inbox / "again.jsonl", (1, 1))
    settle(daemon)
    assert states()["again"] == "failed", "its content is still known"


def test_one_daemon_a_world(world: World) -> None:
    with only_daemon(world):
        assert arena_status.daemon_alive(world)
        with pytest.raises(AnotherDaemon, match=f"process {os.getpid()}"), only_daemon(world):
            pass
    assert not arena_status.daemon_alive(world)


def heartbeat_after_a_long_save(world: World, trainer: FakeTrainer, daemon: ArenaDaemon, clock: Clock) -> float | None:
    """What the arena says while its trainer saves, seconds before it is gone."""
    said: list[float | None] = []

    def saves(*, meanwhile: Callable[[], None]) -> None:
        clock.now += 30
        world.arena_status.unlink()
        meanwhile()
        said.append(arena_status.read_status(world).time)

    trainer.shut_down = saves  # type: ignore[method-assign]
    daemon.stop()
    daemon.run()
    return said[0]


def test_a_daemon_that_ends_says_so_while_its_trainer_saves(
    world: World, trainer: FakeTrainer, open_daemon: Callable[..., ArenaDaemon], clock: Clock
) -> None:
    assert heartbeat_after_a_long_save(world, trainer, open_daemon(), clock) is not None
    assert json.loads(world.arena_status.read_text())["state"] == "offline"


def test_twin_that_says_nothing_meanwhile(
    world: World, trainer: FakeTrainer, open_daemon: Callable[..., ArenaDaemon], clock: Clock
) -> None:
    daemon = open_daemon()
    daemon._beat = lambda: None  # type: ignore[method-assign]
    world.arena_status.write_text("{}")
    assert heartbeat_after_a_long_save(world, trainer, daemon, clock) is None


def test_a_recipe_that_cannot_be_stops_the_start(world: World) -> None:
    with pytest.raises(BadConfig, match="training: unknown key 'learning_rte'; allowed are"):
        ArenaDaemon(world=world, config=RealmConfig(training={"learning_rte": 1}))


def test_the_report_counts_more_refused_rows_than_it_names(
    world: World, trainer: FakeTrainer, open_daemon: Callable[..., ArenaDaemon]
) -> None:
    path = world.inbox / "long.jsonl"
    path.write_text("".join(GOOD.format(number) for number in range(9)))
    os.utime(path, (1, 1))
    daemon = open_daemon()
    settle(daemon)
    trainer.begin(refused=5, named=[{"line": 1, "reason": "too long"}])
    settle(daemon)
    (report,) = world.processing.glob("*.report.json")
    found = json.loads(report.read_bytes())
    assert (found["rows"], found["taken"], found["refused_count"], len(found["refused"])) == (9, 4, 5, 1)


FORM = "riddle: {user: riddle, assistant: solution}\n"
BROKEN_FORM = "riddle: {user: riddle, asistant: solution}\n"


def told_of_settings() -> list[str]:
    return list(ChronicleEntry.objects.filter(kind="settings_refused").values_list("message", flat=True))


def test_a_broken_datasets_file_leaves_the_old_forms_in_force_and_is_told_once(
    world: World, trainer: FakeTrainer, clock: Clock, open_daemon: Callable[..., ArenaDaemon]
) -> None:
    forms = world.home / "datasets.yaml"
    forms.write_text(FORM)
    daemon = open_daemon()
    forms.write_text(BROKEN_FORM)
    for name in ("first", "second"):
        clock.now += 10
        (world.inbox / f"{name}.jsonl").write_text(json.dumps({"riddle": f"{name}?", "solution": "yes"}) + "\n")
        os.utime(world.inbox / f"{name}.jsonl", (1, 1))
        settle(daemon)
    assert states() == {"first": "battling", "second": "queued"}
    (order,) = world.battles.glob("*/order.json")
    assert json.loads(order.read_bytes())["dataset_specs"]["riddle"] == {"user": "riddle", "assistant": "solution"}
    (told,) = told_of_settings()
    assert f"{forms}: riddle: unknown key 'asistant'; allowed are assistant, context, " in told
    assert "did you mean 'assistant'?" in told


def test_a_mended_datasets_file_is_in_force_again(
    world: World, clock: Clock, open_daemon: Callable[..., ArenaDaemon]
) -> None:
    forms = world.home / "datasets.yaml"
    daemon = open_daemon()
    for text in (BROKEN_FORM, FORM):
        clock.now += 10
        forms.write_text(text)
        drop(world, f"{len(text)}.jsonl")
        settle(daemon)
    clock.now += 10
    (world.inbox / "riddles.jsonl").write_text('{"riddle": "what?", "solution": "yes"}\n')
    os.utime(world.inbox / "riddles.jsonl", (1, 1))
    settle(daemon)
    assert states()["riddles"] == "queued"
    assert len(told_of_settings()) == 1


def test_a_datasets_file_that_was_never_read_whole_stops_the_start(
    world: World, open_daemon: Callable[..., ArenaDaemon]
) -> None:
    (world.home / "datasets.yaml").write_text(BROKEN_FORM)
    with pytest.raises(BadConfig, match=r"datasets\.yaml: riddle: unknown key 'asistant'; allowed are"):
        open_daemon()


def answered(trainer: FakeTrainer, name: str, step: int, right: dict[int, bool]) -> None:
    """The hero's answers to BIN's levels, all right or all wrong, told one after the other."""
    order = trainer.orders[-1]
    folder = Path(order.battle_folder) / "answers"
    folder.mkdir(exist_ok=True)
    for asked in order.evaluation_sets:
        problems = [json.loads(line) for line in Path(asked.path).read_text().splitlines()]
        answers = [problem["answer"] if right.get(asked.level) else "no" for problem in problems]
        file = folder / f"{name}.{asked.skill}-{asked.level}.json"
        file.write_text(json.dumps(answers))
        trainer.say(
            EventKind.ANSWERED, step=step, checkpoint=name, skill=asked.skill, level=asked.level,
            file=f"answers/{file.name}",
        )  # fmt: skip


def crowned(world: World, trainer: FakeTrainer, daemon: ArenaDaemon) -> list[str]:
    """What is told of champions while three checkpoints answer, the second one with level 1 lost and a low loss."""
    settle(daemon)
    for step, loss, right in ((1, 2.0, True), (2, 0.1, False), (3, 1.0, True)):
        name = trainer.save(step, val_loss=loss)
        settle(daemon)
        answered(trainer, name, step, {1: right})
        settle(daemon)
    return [entry.message for entry in ChronicleEntry.objects.filter(kind="new_champion").order_by("id")]


def test_a_checkpoint_is_crowned_when_it_has_answered_everything_and_lost_nothing(
    world: World, trainer: FakeTrainer, open_daemon: Callable[..., ArenaDaemon]
) -> None:
    drop(world, "a.jsonl")
    told_of = crowned(world, trainer, open_daemon())
    assert told_of == ["New champion! Checkpoint 3 beats 1: holds BIN 1, loss 1 < 2"]


def test_twin_crowned_before_it_answered_the_forgetful_one_would_be(
    world: World, trainer: FakeTrainer, open_daemon: Callable[..., ArenaDaemon], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(champions, "_is_asked_more", lambda world, battle, checkpoint: False)
    monkeypatch.setattr(rule, "may_challenge", lambda holder, challenger: True)
    drop(world, "a.jsonl")
    assert any("Checkpoint 2 beats 1" in message for message in crowned(world, trainer, open_daemon()))


def forged_battle(world: World, trainer: FakeTrainer, daemon: ArenaDaemon, name: str) -> None:
    """The hero answers a level's problems, has won the level by it, and is asked of it once more."""
    path = world.inbox / f"{name}.jsonl"
    path.write_text(GOOD.format("a"))
    os.utime(path, (1, 1))
    settle(daemon)
    trainer.begin()
    settle(daemon)
    assert Command.FINISH not in trainer.commands
    move_up(hero="DIO", skill=get_skill("bin"), level=2, branch="")
    trainer.say(EventKind.ANSWERED, step=50, skill="bin", level=1, checkpoint="none", file="none.json")
    settle(daemon)


def test_a_forged_quest_is_over_when_its_level_is_won(
    world: World, trainer: FakeTrainer, open_daemon: Callable[..., ArenaDaemon]
) -> None:
    forged_battle(world, trainer, open_daemon(), "bin-level-1-0001")
    assert Command.FINISH in trainer.commands


def test_the_players_own_quest_is_fought_to_its_end(
    world: World, trainer: FakeTrainer, open_daemon: Callable[..., ArenaDaemon]
) -> None:
    forged_battle(world, trainer, open_daemon(), "mine")
    assert Command.FINISH not in trainer.commands
