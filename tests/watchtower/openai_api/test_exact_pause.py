"""A job that was paused and resumed by OpenAI's client ends with the weights of one that never was, bit for bit."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI

from arena.daemon.loop import ArenaDaemon
from arena.protocol import Command, EventKind, Order
from arena.training import train
from arena.training.control import Control, Request
from arena.training.saving import checkpoint
from realm.config import RealmConfig
from realm.world import World
from tests.support import tiny_hero
from tests.support.fake_trainer import FakeTrainer
from tests.support.runs import Digests, digests, run
from tests.watchtower.openai_api.conftest import Realm

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
PAUSED_AT = 2
TRAINING = {"max_length": 64, "rows_per_step": 2, "rows_per_micro_batch": 2, "save_every": 100, "threads": 1}


class RealTrainer(FakeTrainer):
    """Fights each order in the test's own process when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self._control = Control()

    def send(self, command: Command) -> None:
        super().send(command)
        self._control.request(Request(command))

    def fight(self) -> EventKind:
        self.busy = True
        self._control.clear()
        events = run(self.orders[-1], self._control)
        self.busy = False
        return events[-1].kind


@pytest.fixture
def trainer() -> RealTrainer:
    return RealTrainer()


@pytest.fixture
def realm(
    _no_levels: None,
    openai: OpenAI,
    open_daemon: Callable[..., ArenaDaemon],
    trainer: RealTrainer,
    world: World,
    settings: Any,
) -> Realm:
    base = tiny_hero.make_base(world.models / "tiny")
    settings.REALM = RealmConfig(autoplay=False, base_model=str(base), training=TRAINING)
    return Realm(openai, lambda: open_daemon(settings.REALM), trainer)


def uninterrupted(order: Order, folder: Path) -> Digests:
    """The same order fought in one go, with a hero folder of its own."""
    shutil.copytree(order.hero_folder, folder / "hero")
    shutil.copytree(order.battle_folder, folder / "battle")
    whole = replace(order, hero_folder=str(folder / "hero"), battle_folder=str(folder / "battle"))
    assert run(whole)[-1].kind == EventKind.BATTLE_COMPLETED
    return digests(whole)


def with_a_pause(realm: Realm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Digests, Digests]:
    """Of a job that the client paused in its second step, and of its twin that it let be."""
    trainer = realm.trainer
    assert isinstance(trainer, RealTrainer)
    file = tiny_hero.write_quest(tmp_path / "sums.jsonl", 12)
    with open(file, "rb") as opened:
        job = realm.job(realm.client.files.create(file=opened, purpose="fine-tune").id)
    realm.settle()
    whole = uninterrupted(trainer.orders[-1], tmp_path)
    record, jobs = train.step_record, realm.client.fine_tuning.jobs

    def pausing(trainee: train.Trainee, *rest: Any) -> Any:
        if trainee.step == PAUSED_AT and Command.PAUSE not in trainer.commands:
            jobs.pause(job)
            realm.daemon.tick()
        return record(trainee, *rest)

    monkeypatch.setattr(train, "step_record", pausing)
    assert trainer.fight() == EventKind.BATTLE_PAUSED
    realm.settle()
    assert realm.status(job) == "paused"
    jobs.resume(job)
    realm.settle()
    assert trainer.fight() == EventKind.BATTLE_COMPLETED
    realm.settle()
    assert realm.status(job) == "succeeded"
    return digests(trainer.orders[-1]), whole


def test_the_weights_are_those_of_an_uninterrupted_job(
    realm: Realm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paused, whole = with_a_pause(realm, tmp_path, monkeypatch)
    assert paused == whole


def test_twin_without_the_optimizers_state_they_are_not(
    realm: Realm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "_load_optimizer", lambda *_: None)
    paused, whole = with_a_pause(realm, tmp_path, monkeypatch)
    assert paused != whole
