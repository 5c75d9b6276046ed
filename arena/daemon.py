"""The arena daemon: owns the queue and the trainer's life, and is the only writer of quest states.

A tick looks at everything once and says whether it did work; then the daemon waits for a bell or a timeout.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from django.db import transaction

from arena import battles, chronicle, control, inbox, queue, reconcile
from arena.control import LOCK_FILE, STATUS_FILE, Wish
from arena.models import Battle, Quest
from arena.protocol import Command, Event, EventKind, ExitCode, Recipe
from arena.trainer_process import TrainerProcess
from guild.errors import GuildError
from guild.forge import forge_next, is_forged_name
from realm import durable, strict
from realm.config import RealmConfig
from realm.world import World
from vault import retention

log = logging.getLogger(__name__)

REST_FILE = "resting.json"
IDLE_SECONDS = 2.0
UNSETTLED_SECONDS = 0.05
HEARTBEAT_SECONDS = 2.0
LONGEST_WAIT_SECONDS = 10.0
MOST_FORGED_FAILURES = 3
MOST_DEATHS = 3
"""A quest during which the trainer dies this often without saving anything in between is set aside."""


class AnotherDaemon(Exception):
    """Another daemon serves this world; the text names it."""


@contextmanager
def only_daemon(world: World) -> Iterator[None]:
    """Hold the world's daemon lock; the kernel frees it however this process ends."""
    with open(world.control / LOCK_FILE, "a+") as file:
        if not _lock(file):
            file.seek(0)
            raise AnotherDaemon(f"the arena of {world.home} is served by process {file.read().strip()}")
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _lock(file: TextIO) -> bool:
    """Tries for half a second: a page that asks whether a daemon lives holds the lock for an instant."""
    for _ in range(10):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            time.sleep(0.05)
    return False


def read_recipe(config: RealmConfig) -> Recipe:
    """Raises strict.BadConfig for a recipe that cannot be."""
    return strict.read(Recipe, config.training, source="training")


@dataclass
class Deaths:
    """How often the trainer died in a row without a checkpoint in between."""

    count: int = 0
    not_before: float = 0.0
    """Monotonic time at which the next one is started; each death doubles the wait."""


class ArenaDaemon:
    def __init__(
        self,
        *,
        world: World,
        config: RealmConfig,
        trainer: TrainerProcess | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.world = world
        self.config = config
        self.recipe = read_recipe(config)
        self.bell = threading.Event()
        self.trainer = trainer or TrainerProcess(world, self.bell.set)
        self._clock = clock
        self._stopping = threading.Event()
        self._deaths = Deaths()
        self._running: Battle | None = None
        self._over = False
        self._forged_failures = 0
        self._unsettled_since: float | None = None
        self._trouble = ""
        self._last_status: dict[str, object] = {}
        self._last_heartbeat = 0.0

    def stop(self) -> None:
        """Ask the loop to end; safe in a signal handler."""
        self._stopping.set()
        self.bell.set()

    def run(self) -> None:
        """Serve until stopped; the trainer saves before this returns."""
        reconcile.bring_into_line(self.world)
        try:
            while not self._stopping.is_set():
                if not self.tick():
                    self.bell.wait(self._patience())
                self.bell.clear()
        finally:
            self.trainer.shut_down()
            self._take_in_events()
            self._tell_status(force=True, state="offline")

    def _patience(self) -> float:
        """Seconds until the next look; short while a file is settling, longer the longer it takes."""
        if self._unsettled_since is None:
            return IDLE_SECONDS
        return min(IDLE_SECONDS, max(UNSETTLED_SECONDS, (self._clock() - self._unsettled_since) / 4))

    def tick(self) -> bool:
        worked = [
            self._obey(),
            self._take_arrivals(),
            self._admit_files(),
            self._take_in_events(),
            self._mind_trainer(),
            self._finish_stop(),
            self._start_battle(),
            self._play(),
        ]
        self._tell_status()
        return any(worked)

    @property
    def resting(self) -> bool:
        """Whether the player asked for rest; remembered on disk."""
        return bool(self._rest())

    def _rest(self) -> dict[str, str]:
        """What was `asked`, and the `reason` where the daemon itself asked; empty while nobody wants rest."""
        try:
            rest: dict[str, str] = json.loads((self.world.control / REST_FILE).read_bytes())
        except FileNotFoundError:
            return {}
        return rest

    def _obey(self) -> bool:
        requests = list(control.waiting(self.world))
        for request in requests:
            log.info("%s asked by %s", request.wish, request.by)
            self._carry_out(request.wish)
            request.path.unlink()
        return bool(requests)

    def _carry_out(self, wish: Wish) -> None:
        if wish == Wish.RESUME:
            (self.world.control / REST_FILE).unlink(missing_ok=True)
            self._trouble = ""
            self._deaths = Deaths()
            return
        durable.write_json(self.world.control / REST_FILE, {"asked": wish})
        if self._running:
            self.trainer.send(Command.PAUSE if wish == Wish.PAUSE else Command.STOP)

    def _finish_stop(self) -> bool:
        """A stop ends the battle even where it came while nothing ran, or the trainer died or paused before it acted.

        Its steps are in a checkpoint already.
        """
        if self._running or self._rest().get("asked") != Wish.STOP:
            return False
        battle = battles.unfinished()
        if battle:
            queue.cancel(self.world, battle.quest, "stopped by the player while it rested")
            with transaction.atomic():
                battles.end(battle, Battle.State.STOPPED)
                battle.save()
                chronicle.say(EventKind.BATTLE_STOPPED, f"Retreated from {battle.quest.name}", battle=battle.battle_id)
        return battle is not None

    def _take_arrivals(self) -> bool:
        arrivals = inbox.look(self.world.inbox)
        if not arrivals.unsettled:
            self._unsettled_since = None
        elif self._unsettled_since is None:
            self._unsettled_since = self._clock()
        moved = [self._move_in(path) for path in arrivals.whole]
        return any(moved)

    def _move_in(self, path: Path) -> bool:
        """A file that cannot be moved (gone again, in a folder of somebody else's) stays and hinders no other."""
        try:
            queue.move_in(self.world, path, priority=Quest.Priority.NORMAL)
        except OSError as error:
            # repr: the name may be no text at all.
            name = repr(str(path.relative_to(self.world.inbox)))
            self._trouble = f"{name} cannot be taken out of the inbox: {error.strerror}"
            log.warning(self._trouble)
            return False
        return True

    def _admit_files(self) -> bool:
        """One a tick: the player's commands and the trainer's events come between."""
        found = queue.unknown_files(self.world)
        if found:
            priority, path = found[0]
            queue.admit(self.world, path, priority=priority)
        return bool(found)

    def _take_in_events(self) -> bool:
        battle = self._running
        if battle is None:
            return False
        events = battles.take_in_events(self.world, battle)
        for event in events:
            if event.kind == EventKind.CHECKPOINT_SAVED:
                self._deaths = Deaths()
                self._make_room()
            if event.is_ending:
                self._over = True
            if event.kind in (EventKind.BATTLE_STARTED, EventKind.BATTLE_RESUMED):
                self._over, self._trouble = False, ""
            if event.kind == EventKind.BATTLE_COMPLETED:
                self._forged_failures = 0
                queue.prune_forged(self.world, keep=self.config.keep_forged_quests)
            if event.kind == EventKind.BATTLE_FAILED:
                self._note_failure(battle, event)
        # An ending alone may be the last word of a trainer that a killed daemon left behind, while ours begins.
        if self._over and self.trainer.ready:
            self._running, self._over = None, False
        return bool(events)

    def _make_room(self) -> None:
        retention.prune(
            self.world,
            self.config.hero,
            keep=self.config.keep_checkpoints,
            budget_bytes=int(self.config.checkpoint_budget_gb * 1e9),
        )

    def _note_failure(self, battle: Battle, event: Event) -> None:
        """A fault of the hero meets every quest; so, it seems, does one that forged quests meet again and again."""
        if event.data.get("blame") == "hero":
            self._rest_for(event.message)
        elif is_forged_name(battle.quest.name):
            self._forged_failures += 1
            if self._forged_failures >= MOST_FORGED_FAILURES:
                self._rest_for(f"{self._forged_failures} forged quests failed in a row: {event.message}")

    def _rest_for(self, trouble: str) -> None:
        """Every quest would meet this trouble: wait for the player instead of failing them one by one."""
        self._trouble = trouble
        durable.write_json(self.world.control / REST_FILE, {"asked": "trouble", "reason": trouble})

    def _mind_trainer(self) -> bool:
        code = self.trainer.take_exit_code()
        if code is not None:
            self._note_death(code)
        if self.trainer.alive or self._clock() < self._deaths.not_before:
            return False
        self.trainer.start()
        return True

    def _note_death(self, code: int) -> None:
        self._take_in_events()
        count = self._deaths.count + 1
        self._deaths = Deaths(count, self._clock() + min(30.0, 0.5 * 2 ** min(count, 6)))
        last_lines = self.trainer.last_lines()
        log.error("the trainer ended with exit code %s: %s", code, last_lines)
        chronicle.say("trainer_died", f"The trainer died (exit code {code}); it is started again", exit_code=code)
        battle = None if self._over else self._running
        self._running, self._over = None, False
        if code in (ExitCode.SYSTEM, ExitCode.ANOTHER_TRAINER):
            self._rest_for(f"the trainer cannot go on: {last_lines}")
            return
        if not battle and count >= MOST_DEATHS:
            self._trouble = f"the trainer does not start: {last_lines}"
        if battle and count >= MOST_DEATHS:
            reason = f"the trainer died {count} times on this quest; its last words: {last_lines}"
            queue.fail(self.world, battle.quest, reason)
            with transaction.atomic():
                battles.end(battle, Battle.State.FAILED)
                battle.save()
                chronicle.say(
                    EventKind.BATTLE_FAILED, f"{battle.quest.name} is set aside: {reason}", battle=battle.battle_id
                )
            self._deaths = Deaths()

    def _start_battle(self) -> bool:
        if self.resting or self._running or not self.trainer.ready:
            return False
        battle = battles.unfinished() or self._next_battle()
        if battle is None:
            return False
        self._running = battle
        self.trainer.run(battles.order_path(self.world, battle))
        return True

    def _next_battle(self) -> Battle | None:
        quest = queue.waiting().first()
        if quest is None:
            return None
        if not queue.path_of(self.world, quest).exists():
            queue.forget(quest, "its file is gone from the queue")
            return None
        queue.begin(self.world, quest)
        return battles.open_battle(self.world, self.config, self.recipe, quest)

    def _play(self) -> bool:
        """With nothing else to do, the guild forges the next quest; it arrives like any other."""
        busy = self._running or self._something_arrives() or queue.waiting().exists() or battles.unfinished()
        if not self.config.autoplay or self.resting or busy:
            return False
        try:
            path = forge_next(self.world, self.config.hero)
        except GuildError as error:
            self._trouble = str(error)
            return False
        log.info("forged %s", path.name)
        return True

    def _something_arrives(self) -> bool:
        """A file that is being written may be worth waiting for, but not for long."""
        since = self._unsettled_since
        return since is not None and self._clock() - since < LONGEST_WAIT_SECONDS

    def _tell_status(self, *, force: bool = False, state: str | None = None) -> None:
        battle = self._running or battles.unfinished()
        status = {
            "pid": os.getpid(),
            "state": state or self._state(battle),
            "message": self._trouble or self._rest().get("reason", ""),
            "battle": battle.battle_id if battle else None,
            "quest": battle.quest.name if battle else None,
            "trainer_pid": self.trainer.pid,
        }
        now = self._clock()
        if force or status != self._last_status or now - self._last_heartbeat >= HEARTBEAT_SECONDS:
            self._last_status, self._last_heartbeat = status, now
            durable.write_json(self.world.status / STATUS_FILE, status | {"time": time.time()}, sync=False)

    def _state(self, battle: Battle | None) -> str:
        if self._running:
            return "training" if self._running.first_step is not None else "preparing"
        if self.resting:
            return "paused" if battle else "resting"
        return "idle" if self.trainer.ready else "preparing"
