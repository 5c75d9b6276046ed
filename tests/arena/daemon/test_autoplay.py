"""Auto-play: forging never holds up a tick, and nothing forged comes before what the player wants."""

from __future__ import annotations

import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from arena import status as arena_status
from arena.daemon import autoplay as playing
from arena.daemon.autoplay import TIMEOUT_SECONDS, Player
from arena.daemon.loop import ArenaDaemon
from arena.models import Quest
from arena.protocol import EventKind
from arena.queue import files as queue
from guild.curriculum import forge
from guild.curriculum.plan import AS_SHIPPED, Curriculum, Wishes
from guild.errors import GuildError
from guild.models import SkillProgress
from realm.strict import BadConfig
from realm.world import World
from tests.arena.daemon.test_loop import CONFIG, Clock, clock, drop, open_daemon, settle, trainer
from tests.support.fake_trainer import FakeTrainer
from tests.support.small_skills import write_skill

__all__ = ["clock", "open_daemon", "trainer"]  # fixtures

pytestmark = pytest.mark.django_db(transaction=True)
Opener = Callable[..., ArenaDaemon]
AUTOPLAY = replace(CONFIG, autoplay=True)
HERO = CONFIG.hero


@dataclass
class Settings:
    """What the player's settings say."""

    curriculum: Curriculum = AS_SHIPPED
    error: Exception | None = None

    def __call__(self) -> Curriculum:
        if self.error:
            raise self.error
        return self.curriculum


@pytest.fixture
def settings_now() -> Settings:
    return Settings(Curriculum(wishes={"bin": Wishes(quest_rows=10)}))


@pytest.fixture
def player(world: World, clock: Clock, settings_now: Settings) -> Player:
    return Player(world, HERO, settings_now, lambda: None, clock=clock, do=lambda work: work())


def forged(world: World) -> list[str]:
    return sorted(path.name for path in world.inbox.glob("*.jsonl"))


def test_what_is_forged_ahead_is_handed_in_when_the_arena_is_free(world: World, player: Player) -> None:
    assert not player.look(wanted=True, free=False)
    assert forged(world) == []
    assert player.look(wanted=True, free=True)
    assert forged(world) == ["bin-level-1-0001.jsonl"]


def test_nothing_is_handed_in_while_something_of_the_players_waits(world: World, player: Player) -> None:
    player.look(wanted=True, free=False)
    assert not player.look(wanted=False, free=True)
    assert forged(world) == []


def test_what_was_forged_for_a_level_that_is_won_meanwhile_is_forged_anew(world: World, player: Player) -> None:
    player.look(wanted=True, free=False)
    SkillProgress.objects.create(hero=HERO, skill="bin", level=2)
    assert player.look(wanted=True, free=True)
    assert forged(world) == ["bin-level-2-0001.jsonl"]


def test_twin_without_the_second_look_it_is_for_yesterdays_level(
    world: World, player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(player, "_is_timely", lambda forged: True)
    player.look(wanted=True, free=False)
    SkillProgress.objects.create(hero=HERO, skill="bin", level=2)
    player.look(wanted=True, free=True)
    assert forged(world) == ["bin-level-1-0001.jsonl"]


def test_new_settings_are_for_the_next_quest(world: World, player: Player, settings_now: Settings) -> None:
    player.look(wanted=True, free=False)
    settings_now.curriculum = Curriculum(wishes={"bin": Wishes(quest_rows=20)})
    player.look(wanted=True, free=True)
    assert (world.inbox / "bin-level-1-0001.jsonl").read_bytes().count(b"\n") == 20


@pytest.mark.parametrize("error", [GuildError("the guild is closed"), BadConfig("config.yaml: curriculum: bad")])
def test_a_forging_that_fails_is_told_and_tried_again_later(
    world: World, player: Player, settings_now: Settings, clock: Clock, error: Exception
) -> None:
    settings_now.error = error
    assert not player.look(wanted=True, free=True)
    assert player.trouble == str(error)
    settings_now.error = None
    assert not player.look(wanted=True, free=True)
    clock.now += TIMEOUT_SECONDS
    assert player.look(wanted=True, free=True)
    assert player.trouble == ""


def test_a_fault_in_a_trainers_class_ends_nobody(world: World, player: Player, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any) -> Any:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(forge, "prepare", broken)
    assert not player.look(wanted=True, free=True)
    assert player.trouble == "forging failed: ZeroDivisionError: division by zero"


def test_a_disk_in_trouble_is_the_daemons_business(
    world: World, player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(forge, "prepare", full)
    player.look(wanted=True, free=True)
    with pytest.raises(OSError, match="No space left"):
        player.look(wanted=True, free=True)


class SlowForge:
    """Stands in a thread until it is let go, as if a remote trainer took its time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls = 0
        self.may_go, self.done = threading.Event(), threading.Event()
        self._plan: Any = None
        monkeypatch.setattr(forge, "prepare", self._prepare)
        monkeypatch.setattr(Player, "_is_timely", lambda player, forged: True)
        monkeypatch.setattr(forge, "deliver", self._deliver)
        self.delivered = 0

    def _prepare(self, *args: Any) -> Any:
        self.calls += 1
        assert self.may_go.wait(30)
        return object()

    def _deliver(self, world: World, forged: Any) -> Any:
        self.delivered += 1
        raise KeyboardInterrupt


def test_a_slow_forging_holds_up_no_look(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = SlowForge(monkeypatch)
    player = Player(world, HERO, Settings(), slow.done.set)
    assert [player.look(wanted=True, free=True) for _ in range(5)] == [False] * 5
    assert slow.calls == 1
    slow.may_go.set()
    assert slow.done.wait(30)
    with pytest.raises(KeyboardInterrupt):
        player.look(wanted=True, free=True)
    assert slow.delivered == 1


def test_a_quest_that_arrives_during_a_slow_forging_goes_first(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = SlowForge(monkeypatch)
    player = Player(world, HERO, Settings(), slow.done.set)
    player.look(wanted=True, free=True)
    slow.may_go.set()
    assert slow.done.wait(30)
    assert not player.look(wanted=False, free=True)
    assert slow.delivered == 0


def test_the_daemon_forges_ahead_while_it_fights(world: World, trainer: FakeTrainer, open_daemon: Opener) -> None:
    daemon = open_daemon(AUTOPLAY)
    drop(world, "a.jsonl")
    settle(daemon)
    trainer.begin()
    settle(daemon)
    assert forged(world) == []
    assert daemon.player._forged is not None
    trainer.complete(1)
    daemon.tick()
    daemon.tick()
    assert forged(world) == ["bin-level-1-0001.jsonl"]


def fight_mixed(world: World, skills_folder: Path, trainer: FakeTrainer, open_daemon: Opener) -> Quest:
    """A forged quest of BIN level 1 of which more rows are of a second skill, as far as its battle's order."""
    write_skill(skills_folder, "weaving")
    SkillProgress.objects.create(hero=HERO, skill="weaving", level=3)
    wishes = {"bin": {"quest_rows": 20, "other_skills_share": 0.8}, "weaving": {"quest_rows": 20}}
    daemon = open_daemon(replace(AUTOPLAY, curriculum=wishes))
    settle_forged(world, daemon)
    quest = Quest.objects.get()
    assert quest.name == "bin-level-1-0001"
    path = queue.path_of(world, quest)
    rows = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert Counter(row["skill"] for row in rows) == {"weaving": 16, "bin": 4}
    return quest


def settle_forged(world: World, daemon: ArenaDaemon) -> None:
    for _ in range(20):
        daemon.tick()
        for path in world.inbox.glob("*.jsonl"):
            os.utime(path, (1, 1))
    settle(daemon)


def test_a_mixed_quest_is_fought_and_evaluated_as_what_it_was_forged_for(
    world: World, skills_folder: Path, trainer: FakeTrainer, open_daemon: Opener
) -> None:
    quest = fight_mixed(world, skills_folder, trainer, open_daemon)
    assert (quest.skill, quest.level) == ("bin", 1)
    order = trainer.orders[0]
    assert (order.skill, order.level) == ("bin", 1)
    assert (order.evaluation_sets[0].skill, order.evaluation_sets[0].level) == ("bin", 1)
    assert ("weaving", 3) in {(asked.skill, asked.level) for asked in order.evaluation_sets}


def test_twin_by_its_rows_alone_a_mixed_quest_is_for_nothing(
    world: World, skills_folder: Path, trainer: FakeTrainer, open_daemon: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("arena.gate.inspection.read_name", lambda name: None)
    quest = fight_mixed(world, skills_folder, trainer, open_daemon)
    assert (quest.skill, quest.level) == ("", None)
    assert trainer.orders[0].skill is None


def test_at_rest_nothing_is_forged_or_handed_in(world: World, trainer: FakeTrainer, open_daemon: Opener) -> None:
    daemon = open_daemon(AUTOPLAY)
    arena_status.rest(world, asked="pause")
    settle(daemon)
    assert daemon.player._forged is None
    assert forged(world) == []


def test_an_answer_makes_the_daemon_doubt_what_it_forged(
    world: World, trainer: FakeTrainer, open_daemon: Opener
) -> None:
    daemon = open_daemon(AUTOPLAY)
    drop(world, "a.jsonl")
    settle(daemon)
    trainer.begin()
    settle(daemon)
    SkillProgress.objects.create(hero=HERO, skill="bin", level=2)
    trainer.say(EventKind.ANSWERED, step=1, checkpoint="c", skill="bin", level=1, file="answers/none.json")
    settle(daemon)
    assert daemon.player._forged is not None
    assert daemon.player._forged.plan.level == 2


def test_the_gatekeepers_wait_for_the_held_out_sets(
    world: World, trainer: FakeTrainer, open_daemon: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the first quest of a fresh world might teach what is asked."""
    works: list[Callable[[], None]] = []
    daemon = open_daemon()
    monkeypatch.setattr(daemon.player, "_do", works.append)
    daemon.player.prepare()
    drop(world, "a.jsonl")
    settle(daemon)
    assert (world.inbox / "a.jsonl").exists()
    works.pop()()
    assert len(list(world.evaluation.glob("*.jsonl"))) == 3
    settle(daemon)
    assert (world.processing / "a.jsonl").exists()


def test_sets_that_cannot_be_made_hold_up_no_quest(
    world: World, trainer: FakeTrainer, open_daemon: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(playing, "ensure_evaluation_sets", full)
    daemon = open_daemon()
    daemon.player.prepare()
    assert daemon.player.sets_ready


def test_a_thread_of_its_own_ends_with_its_work() -> None:
    done = threading.Event()
    before = threading.active_count()
    playing.in_thread(done.set)
    assert done.wait(30)
    deadline = time.monotonic() + 30
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before
