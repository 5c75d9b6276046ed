"""A command is acted on when its file appears, not when the daemon next looks by itself."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.db import connection
from watchdog.observers.inotify import InotifyEmitter

from arena import orders
from arena.daemon import loop
from arena.daemon.file_events import watching
from arena.daemon.loop import ArenaDaemon
from arena.orders import Wish
from arena.protocol import Command
from realm.world import World
from tests.arena.daemon.test_loop import clock, drop, open_daemon, settle
from tests.support.fake_trainer import FakeTrainer

__all__ = ["clock", "open_daemon"]  # fixtures

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

LONG_SECONDS = 60.0


def test_a_command_file_rings_the_bell(world: World) -> None:
    wake_up = threading.Event()
    with watching(world, wake_up.set):
        orders.send(world, wish=Wish.PAUSE, by="test")
        assert wake_up.wait(LONG_SECONDS)


def test_what_a_stopping_observer_says_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    theirs = logging.getLogger(InotifyEmitter.__module__)
    theirs.error("InotifyEmitter.queue_events() called when the thread is inactive")
    theirs.error("no space left for watches")
    assert caplog.messages == ["no space left for watches"]


class Heard(FakeTrainer):
    def __init__(self) -> None:
        super().__init__()
        self.told = threading.Event()

    def send(self, command: Command) -> None:
        super().send(command)
        self.told.set()


@pytest.fixture
def trainer() -> FakeTrainer:
    return Heard()


@contextmanager
def serving(serve: ArenaDaemon) -> Iterator[None]:
    def run() -> None:
        serve.run()
        connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        serve.stop()
        thread.join()


@pytest.mark.parametrize("watched", [True, False], ids=["wake_up", "sabotaged"])
def test_the_trainer_hears_of_it_without_a_look_of_the_daemons_own(
    world: World,
    trainer: Heard,
    open_daemon: Callable[..., ArenaDaemon],
    monkeypatch: pytest.MonkeyPatch,
    watched: bool,
) -> None:
    drop(world, "a.jsonl")
    serve = open_daemon()
    settle(serve)
    trainer.busy = True
    monkeypatch.setattr(loop, "IDLE_SECONDS", 10 * LONG_SECONDS)
    waits = threading.Event()
    wait = serve.wake_up.wait
    monkeypatch.setattr(serve.wake_up, "wait", lambda seconds: (waits.set(), wait(seconds)))
    with watching(world, serve.wake_up.set if watched else lambda: None), serving(serve):
        assert waits.wait(LONG_SECONDS)
        orders.send(world, wish=Wish.PAUSE, by="test")
        assert trainer.told.wait(LONG_SECONDS if watched else 3) is watched
