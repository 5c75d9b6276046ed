"""A trainer process: runs orders one after the other, keeps the hero warm, obeys its standard input and signals."""

from __future__ import annotations

import logging
import os
import signal
import sys
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
    LOST_LINE,
    READY_LINE,
    TRAINER_LOCK_FILE,
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
from arena.training import shortage
from arena.training.control import Control, Request
from arena.training.data import UntrainableQuest
from arena.training.faults import OutOfMemory, is_out_of_memory
from arena.training.packing_certificate import PackingFault
from arena.training.rank_calls import OrdersOfMain, SignsOfLife
from arena.training.ranks import ALONE, Ranks, Unequal, join, leave
from arena.training.reporting.battle_log import BattleLog
from arena.training.saving.checkpoint import IncompatibleCheckpoint
from arena.training.saving.full_disk import Left, Room
from arena.training.saving.saver import SaveFailed
from arena.training.shortage import SHORT_BESIDE_STEPS, ShortOfMemory
from arena.training.start import Trainee
from arena.training.train import train
from realm.disk import durable, locks

_log = logging.getLogger(__name__)

LOCK_WAIT_SECONDS = 60.0

QUEST_FAULTS = (UntrainableQuest, UnreadableQuest)
HERO_FAULTS = (
    UnloadableHero, IncompatibleCheckpoint, MaskingError, Overrun, UnreadableEvaluation, OutOfMemory, PackingFault,
    Unequal,
)  # fmt: skip
"""Faults that every other quest would meet too: the quest is not to blame."""


class AnotherTrainer(Exception):
    """Another process trains this hero."""


@contextmanager
def only_trainer(hero_folder: Path) -> Iterator[None]:
    """Hold the hero for the time of a battle. An orphaned trainer that is still saving is waited for."""
    hero_folder.mkdir(parents=True, exist_ok=True)
    try:
        with locks.held(hero_folder / TRAINER_LOCK_FILE, seconds=LOCK_WAIT_SECONDS):
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
    process is asked to leave meanwhile, SaveFailed or OSError if the disk is in trouble otherwise, and ShortOfMemory
    where the others have to begin again with this rank.
    """
    room = Room(on_trouble, lambda: control.leaving)
    with only_trainer(Path(order.hero_folder)) if ranks.is_main else nullcontext():
        if not ranks.is_main:
            ranks.wait()  # until rank 0 has told what a run before this one left untold
        log = BattleLog(Path(order.battle_folder), on_event=on_event, room=room, writes=ranks.is_main)
        try:
            short = shortage.take_up(order, log) if ranks.is_main else ""
            if ranks.is_main:
                ranks.wait()
            if ranks.of_main(bool(short)):
                raise OutOfMemory(short or "told by rank 0")
            return train(order, log, control, warm, room, ranks)
        except QUEST_FAULTS as fault:
            _fail(log, fault, blame="quest")
        except HERO_FAULTS as fault:
            _fail(log, fault, blame="hero")
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if not ranks.alone:
                shortage.leave(order, ranks, rows=0, step=0, quest_step=0, said=str(error))
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

    def __init__(self, commands: TextIO, replies: TextIO, ranks: Ranks = ALONE) -> None:
        self._commands = commands
        self._replies = replies
        self._ranks = ranks
        self._of_main = None if ranks.alone else OrdersOfMain()
        self._orders: SimpleQueue[Path | None] = SimpleQueue()
        self._control = Control()
        self._speaking = threading.Lock()
        self._running = False

    def serve(self) -> int:
        # Commands and heartbeat have threads of their own; signals arrive here.
        signal.signal(signal.SIGTERM, lambda *_: self._shut_down())
        signal.signal(signal.SIGINT, lambda *_: self._shut_down())
        for work in (self._read_commands, self._beat) if self._ranks.is_main else (self._beat,):
            threading.Thread(target=work, daemon=True).start()
        warm: Trainee | None = None
        while True:
            # Wait for an order.
            self._reply(READY_LINE)
            self._running = False
            path = self._next_order()
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
                    ranks=self._ranks,
                )
                if warm and not self._ranks.alone:  # what trains with others was made for one battle
                    warm.let_go()
                    warm = None
            except ShortOfMemory as error:
                _log.error("%s", error)
                os._exit(ExitCode.SHORT_OF_MEMORY)  # at once: the others fail for want of it, and say less
            except AnotherTrainer as error:
                _log.error("%s", error)
                return ExitCode.ANOTHER_TRAINER
            except Left as error:
                _log.error("%s", error)
                return ExitCode.OK
            except (OSError, SaveFailed) as error:  # a failing disk: nothing was announced that is not there
                _log.error("%s: %s", type(error).__name__, error)
                return ExitCode.SYSTEM

    def _next_order(self) -> Path | None:
        """Rank 0 is told by the daemon, and tells the others; None: leave."""
        if self._of_main is None:
            return self._orders.get()
        if not self._ranks.is_main:
            return self._of_main.next(lambda: self._control.leaving)
        path = self._orders.get()
        self._of_main.hand_on(path)
        return path

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
        signs = None if self._ranks.alone else SignsOfLife(self._ranks)
        while True:
            time.sleep(BEAT_SECONDS)
            if signs and not self._ranks.is_main:
                signs.give()
                continue
            if signs and (lost := signs.lost()):
                self._reply(f"{LOST_LINE} {lost}")
            self._reply(f"{BEAT_LINE} {self._control.seconds_without_progress if self._running else 0.0:.1f}")

    def _reply(self, line: str) -> None:
        """A bell for the daemon; the truth is in the battle's files, so a daemon that is gone is no error."""
        try:
            with self._speaking:
                print(line, file=self._replies, flush=True)
        except BrokenPipeError:
            self._shut_down()


def serve() -> int:
    """The exit code, once this process need not train any more: alone, or as one of the ranks of a launcher."""
    replies = take_over_standard_output()
    ranks = join()
    if not ranks.is_main:  # rank 0 alone speaks with the daemon
        replies = open(os.devnull, "w")  # noqa: SIM115 - for as long as the process lives
    try:
        return Service(sys.stdin, replies, ranks).serve()
    finally:
        leave()


def take_over_standard_output() -> TextIO:
    """Keep standard output for replies; whatever libraries print goes to standard error."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return replies
