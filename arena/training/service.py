"""A trainer process: runs orders one after the other, keeps the hero warm, obeys its standard input and signals."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from queue import SimpleQueue
from typing import TextIO

from arena.hero.answering import UnreadableEvaluation
from arena.hero.model import UnloadableHero
from arena.protocol import (
    BEAT_LINE,
    BEAT_SECONDS,
    EVENT_LINE,
    READY_LINE,
    TROUBLE_LINE,
    Command,
    Event,
    EventKind,
    ExitCode,
    Order,
)
from arena.rows.masking import MaskingError
from arena.rows.overrun import Overrun
from arena.rows.parse import UnreadableQuest
from arena.training.control import Control, Request
from arena.training.data import UntrainableQuest
from arena.training.faults import OutOfMemory, is_out_of_memory
from arena.training.packing_certificate import PackingFault
from arena.training.ranks import ALONE, Ranks
from arena.training.reporting.battle_log import BattleLog
from arena.training.saving.checkpoint import IncompatibleCheckpoint
from arena.training.saving.full_disk import Left, Room
from arena.training.saving.saver import SaveFailed
from arena.training.start import Trainee
from arena.training.train import train
from realm.disk import durable, locks

_log = logging.getLogger(__name__)

LOCK_FILE = ".trainer.lock"
LOCK_WAIT_SECONDS = 60.0

QUEST_FAULTS = (UntrainableQuest, UnreadableQuest)
HERO_FAULTS = (
    UnloadableHero, IncompatibleCheckpoint, MaskingError, Overrun, UnreadableEvaluation, OutOfMemory, PackingFault,
)  # fmt: skip
"""Faults that every other quest would meet too: the quest is not to blame."""
SHORT_BESIDE_STEPS = (
    "out of memory while the hero was loaded, certified, validated or asked: lower max_length or rows_per_micro_batch, "
    "set mode lora, or free memory ({})"
)


class AnotherTrainer(Exception):
    """Another process trains this hero."""


@contextmanager
def only_trainer(hero_folder: Path) -> Iterator[None]:
    """Hold the hero for the time of a battle. An orphaned trainer that is still saving is waited for."""
    hero_folder.mkdir(parents=True, exist_ok=True)
    try:
        with locks.held(hero_folder / LOCK_FILE, seconds=LOCK_WAIT_SECONDS):
            durable.sweep_temps(hero_folder)
            yield
    except locks.Taken:
        raise AnotherTrainer(f"another trainer holds {hero_folder}") from None


def run_order(
    order: Order,
    control: Control,
    warm: Trainee | None,
    on_event: Callable[[Event], None],
    on_trouble: Callable[[str], None] = lambda text: _log.warning("%s", text or "the disk has room again"),
    ranks: Ranks = ALONE,
) -> Trainee | None:
    """Run one battle to its ending event. Returns what may stay warm; None after a fault.

    `on_trouble` hears what a full disk makes the run wait for, and the empty text when it goes on. Raises Left if the
    process is asked to leave meanwhile, SaveFailed or OSError if the disk is in trouble otherwise.
    """
    room = Room(on_trouble, lambda: control.leaving)
    with only_trainer(Path(order.hero_folder)) if ranks.is_main else nullcontext():
        log = BattleLog(Path(order.battle_folder), on_event=on_event, room=room, writes=ranks.is_main)
        ranks.wait()
        try:
            return train(order, log, control, warm, room, ranks)
        except QUEST_FAULTS as fault:
            _fail(log, fault, blame="quest")
        except HERO_FAULTS as fault:
            _fail(log, fault, blame="hero")
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            _fail(log, OutOfMemory(SHORT_BESIDE_STEPS.format(str(error).splitlines()[0])), blame="hero")
        finally:
            log.close()
    return None


def _fail(log: BattleLog, fault: Exception, *, blame: str) -> None:
    step = log.events[-1].step if log.events else 0
    log.write(EventKind.BATTLE_FAILED, step=step, message=str(fault)[:400], reason=str(fault), blame=blame)
    if not log.writes:  # another rank keeps the log, and may not know
        _log.error("%s", fault)


class Service:
    """Reads commands on a thread of its own and runs orders on the main thread, where signals arrive."""

    def __init__(self, commands: TextIO, replies: TextIO) -> None:
        self._commands = commands
        self._replies = replies
        self._orders: SimpleQueue[Path | None] = SimpleQueue()
        self._control = Control()
        self._speaking = threading.Lock()
        self._running = False

    def serve(self) -> int:
        # Commands and heartbeat have threads of their own; signals arrive here.
        signal.signal(signal.SIGTERM, lambda *_: self._shut_down())
        signal.signal(signal.SIGINT, lambda *_: self._shut_down())
        for work in (self._read_commands, self._beat):
            threading.Thread(target=work, daemon=True).start()
        warm: Trainee | None = None
        while True:
            # Wait for an order.
            self._reply(READY_LINE)
            self._running = False
            path = self._orders.get()
            if path is None:
                return ExitCode.OK
            self._control.mark_progress()
            self._running = True

            # Run it. A process that cannot go on ends, and its exit code says what is to blame.
            try:
                order = Order.read(path)
            except (OSError, ValueError) as error:
                _log.error("%s: not an order: %s", path, error)
                return ExitCode.BAD_ORDER
            try:
                warm = run_order(
                    order,
                    self._control,
                    warm,
                    on_event=lambda _: self._reply(EVENT_LINE),
                    on_trouble=lambda text: self._reply(f"{TROUBLE_LINE} {text}".rstrip()),
                )
            except AnotherTrainer as error:
                _log.error("%s", error)
                return ExitCode.ANOTHER_TRAINER
            except Left as error:
                _log.error("%s", error)
                return ExitCode.OK
            except (OSError, SaveFailed) as error:  # a failing disk: nothing was announced that is not there
                _log.error("%s: %s", type(error).__name__, error)
                return ExitCode.SYSTEM

    def _shut_down(self) -> None:
        self._control.request(Request.SHUTDOWN)
        self._orders.put(None)

    def _read_commands(self) -> None:
        """End of input means that the daemon is gone: save and leave."""
        for line in self._commands:
            verb, _, argument = line.strip().partition(" ")
            if verb == Command.RUN:
                self._control.clear()  # here, so that a pause behind the order is not forgotten with the last one
                self._orders.put(Path(argument))
            elif verb == Command.PAUSE:
                self._control.request(Request.PAUSE)
            elif verb == Command.STOP:
                self._control.request(Request.STOP)
            elif verb == Command.FINISH:
                self._control.request(Request.FINISH)
            elif verb == Command.RATE:
                self._control.ask_rate()
            elif verb == Command.PAUSE_AT:
                self._control.pause_at(int(argument))
        self._shut_down()

    def _beat(self) -> None:
        """Say that this process lives, and since when its run has not got on. While it waits for orders it gets on."""
        while True:
            time.sleep(BEAT_SECONDS)
            self._reply(f"{BEAT_LINE} {self._control.seconds_without_progress if self._running else 0.0:.1f}")

    def _reply(self, line: str) -> None:
        """A bell for the daemon; the truth is in the battle's files, so a daemon that is gone is no error."""
        try:
            with self._speaking:
                print(line, file=self._replies, flush=True)
        except BrokenPipeError:
            self._shut_down()


def take_over_standard_output() -> TextIO:
    """Keep standard output for replies; whatever libraries print goes to standard error."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return replies
