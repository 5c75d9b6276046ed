"""The arena daemon: owns the queue and the trainer's life, and is the only writer of quest states.

A tick looks at everything once and says whether it did work; then the daemon waits for a bell or a timeout.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from django.db import OperationalError, transaction

from arena import chronicle, disk_errors, orders, quest_orders
from arena import status as arena_status
from arena.daemon import battles, expiry, recovery
from arena.daemon.autoplay import Player
from arena.daemon.host_watch import HostWatch
from arena.daemon.trainer_process import TrainerProcess
from arena.gate import report as reports
from arena.gate.process import ASIDE, LARGE, Gate, GateProcess, GateSettings
from arena.gate.rules import GateRules
from arena.models import Battle
from arena.orders import Wish
from arena.protocol import Command, Event, EventKind, ExitCode, Recipe
from arena.quest_orders import Act
from arena.queue import acts, admission, network_mounts
from arena.queue import files as queue
from arena.queue.acts import Hands
from arena.queue.intake import Doorway
from arena.reports import sparrings
from arena.rows import tokenizer
from arena.rows.formats import load_declared
from arena.sources.inspecting import Lookout
from arena.status import LOCK_FILE
from guild.curriculum.plan import read_curriculum
from realm import strict
from realm.config import RealmConfig
from realm.disk import durable
from realm.disk.ballast import Ballast
from realm.disk.locks import Taken, only_one
from realm.oracle import served
from realm.quest_names import is_forged_name
from realm.world import World
from vault import retention

log = logging.getLogger(__name__)

BALLAST_FILE = ".ballast"
IDLE_SECONDS = 2.0
REMOTE_IDLE_SECONDS = 1.0
"""The same where the inbox lies on a file server, which rings no bell."""
UNSETTLED_SECONDS = 0.05
HEARTBEAT_SECONDS = 2.0
FRESH_SECONDS = 2.0
"""Settings that were read earlier are read again before the gatekeepers look at a file."""
MOST_FORGED_FAILURES = 3
MOST_DEATHS = 3
"""A quest during which the trainer dies this often without saving anything in between is set aside."""
MOST_SET_ASIDE = 3
"""So many in a row, and it is not the quests: the arena rests."""
MOST_FALSE_STARTS = 5
"""A trainer that dies this often in a row before it fights anything is not started again."""
FALSE_START_SECONDS = 60.0
"""A trainer that lived longer than this did start."""
LONGEST_BACKOFF_SECONDS = 4.0


class AnotherDaemon(Exception):
    """Another daemon serves this world; the text names it."""


@contextmanager
def only_daemon(world: World) -> Iterator[None]:
    """Hold the world's daemon lock. Raises AnotherDaemon."""
    try:
        with only_one(world.control / LOCK_FILE):
            yield
    except Taken as pid:
        raise AnotherDaemon(f"the arena of {world.home} is served by process {pid}") from None


def read_recipe(config: RealmConfig) -> Recipe:
    """Raises strict.BadConfig for a recipe that cannot be."""
    return strict.read(Recipe, config.training, source="training")


def read_rules(config: RealmConfig) -> GateRules:
    """Raises strict.BadConfig for rules that cannot be."""
    return strict.read(GateRules, config.gatekeeper, source="gatekeeper")


@dataclass
class Deaths:
    """Of the trainer, in one battle, without a checkpoint in between."""

    battle: str = ""
    count: int = 0
    reason: str = ""


class ArenaDaemon:
    def __init__(
        self,
        *,
        world: World,
        config: RealmConfig,
        trainer: TrainerProcess | None = None,
        gate: Gate | None = None,
        looker: Gate | None = None,
        player: Player | None = None,
        clock: Callable[[], float] = time.monotonic,
        reload_config: Callable[[], RealmConfig] | None = None,
    ) -> None:
        self.world = world
        self.config = config
        self.recipe = read_recipe(config)
        self._reload_config = reload_config or (lambda: config)
        self.bell = threading.Event()
        self._damaged: list[str] = []
        """One sentence for each file in `control/` that was set aside."""
        self.trainer = trainer or TrainerProcess(world, self.bell.set, clock=clock)
        self.gate = gate or GateProcess(world, self.bell.set, clock=clock)
        self.large_gate = gate or GateProcess(world, self.bell.set, clock=clock, kind=LARGE)
        self._doorway = Doorway(world, self.gate, self._gate_settings, large_gate=self.large_gate, clock=clock)
        self.looker = looker or GateProcess(world, self.bell.set, clock=clock, kind=ASIDE)
        self._lookout = Lookout(
            world, self.looker, self._gate_settings,
            quests_wait=self._quests_arrive, on_damaged=self._damaged.append,
        )  # fmt: skip
        self.player = player or Player(
            world, config.hero, lambda: read_curriculum(self._reload_config()), self.bell.set, clock=clock
        )
        self._hosts = HostWatch(world)
        self._clock = clock
        self._hears_nothing = network_mounts.is_remote(world.inbox.stat().st_dev)
        self._rules, self._specs = read_rules(config), load_declared(world)
        self._settings_read_at = clock()
        self._stopping = threading.Event()
        self._ballast = Ballast(world.status / BALLAST_FILE)
        self._mend: Callable[[World], None] | None = recovery.bring_into_line
        """What is to be done first, because somebody was killed or an error cut something short."""
        self._disk_trouble = ""
        self._trainer_waits = ""
        self._untold: deque[tuple[str, str, dict[str, Any]]] = deque()
        """What the chronicle is to tell as soon as it can be written."""
        self._rest_owed = ""
        self._room_wanted = False
        self._hung = ""
        self._deaths = Deaths()
        self._set_aside_in_a_row = 0
        self._false_starts = 0
        self._started_at = 0.0
        self._not_before = 0.0
        """The trainer is not started again earlier."""
        self._running: Battle | None = None
        self._over = False
        self._forged_failures = 0
        self._trouble = ""
        self._settings_trouble = ""
        self._last_status: dict[str, object] = {}
        self._last_heartbeat = 0.0

    def stop(self) -> None:
        """Ask the loop to end; safe in a signal handler."""
        self._stopping.set()
        self.bell.set()

    def run(self) -> None:
        """Serve until stopped; the trainer saves before this returns."""
        self.player.prepare()
        self._hosts.open()
        try:
            while not self._stopping.is_set():
                if not self.tick():
                    self.bell.wait(self._patience())
                self.bell.clear()
        finally:
            self._hosts.close()
            self.trainer.shut_down()
            self.gate.shut_down()
            self.large_gate.shut_down()
            self.looker.shut_down()
            self._guarded(self._take_in_events)
            self._tell_status(force=True, state="offline")

    def _patience(self) -> float:
        """Seconds until the next look; short while a file is settling, longer the longer it takes."""
        since = self._doorway.unsettled_since
        if since is None:
            until_start = self._not_before - self._clock()
            idle = REMOTE_IDLE_SECONDS if self._hears_nothing else IDLE_SECONDS
            return until_start if 0 < until_start < idle else idle
        return min(IDLE_SECONDS, max(UNSETTLED_SECONDS, (self._clock() - since) / 4))

    def tick(self) -> bool:
        """A disk in trouble cuts the look short; the next one begins by putting right what was left half-done."""
        self._watch_trainer()
        worked = self._guarded(self._look)
        self._mind_ballast()
        self._tell_status()
        return worked

    def _look(self) -> bool:
        self._put_right()
        worked = [
            self._tell_untold(),
            self._obey(),
            self._obey_of_quests(),
            self.player.sets_ready and self._doorway.look(),
            self._lookout.look(),
            self._tell_damaged(),
            self._take_in_events(),
            self._mind_trainer(),
            self._set_aside(),
            self._finish_stop(),
            self._make_room(),
            self._settle_rest(),
            self._start_battle(),
            self._play(),
            self._tell_untold(),
            self._mind_gate_disk(),
        ]
        return any(worked)

    def _mind_gate_disk(self) -> bool:
        """Last: a disk that is full for the gatekeepers keeps nobody else from working."""
        if self._doorway.disk_error:
            raise self._doorway.disk_error
        return False

    def _guarded(self, look: Callable[[], bool]) -> bool:
        try:
            worked = look()
        except disk_errors.TROUBLES as error:
            if not disk_errors.passes(error):
                raise
            self._meet_trouble(error)
            return self._ballast.drop()  # then there is room to try again at once
        if self._disk_trouble:
            log.info("the disk works again")
            self._tell("disk_recovered", "The arena can write again and goes on")
            self._disk_trouble = ""
        return worked

    def _meet_trouble(self, error: OSError | OperationalError) -> None:
        disk_errors.mend_connection()
        self._mend = self._mend or recovery.finish_half_done
        trouble = disk_errors.describe(self.world, error)
        if not self._disk_trouble:
            log.error(trouble)
            self._tell("disk_trouble", trouble)
        self._disk_trouble = trouble

    def _put_right(self) -> None:
        if self._mend is None:
            return
        if self._running:
            self._running.refresh_from_db()  # in memory it may be ahead of what was committed
        self._mend(self.world)
        self._mend = None

    def _mind_ballast(self) -> None:
        if self._disk_trouble or self.trainer.trouble:
            self._ballast.drop()
        else:
            self._ballast.hold()

    def _tell(self, kind: str, message: str, **data: Any) -> None:
        self._untold.append((kind, message, data))

    def _tell_untold(self) -> bool:
        told = bool(self._untold)
        while self._untold:
            kind, message, data = self._untold[0]
            chronicle.say(kind, message, **data)
            self._untold.popleft()
        return told

    @property
    def resting(self) -> bool:
        """Whether the player asked for rest, or the arena itself; remembered on disk."""
        return bool(self._rest_owed or arena_status.read_rest(self.world))

    def _tell_damaged(self) -> bool:
        """In one entry a look: whoever floods `control/` shall not flood the chronicle too."""
        damaged, self._damaged[:] = self._damaged[:], []
        if not damaged:
            return False
        for said in damaged:
            log.warning(said)
        others = f" (and {len(damaged) - 1} more)" if len(damaged) > 1 else ""
        self._tell("order_refused", f"{damaged[0]}{others}", act="read")
        return True

    def _obey(self) -> bool:
        arena_status.set_damaged_aside(self.world, self._damaged.append)
        obeyed = 0
        for path, request in orders.MAILBOX.waiting(self.world, on_damaged=self._damaged.append):
            log.info("%s asked by %s", request.wish, request.by)
            self._carry_out(request.wish)
            path.unlink(missing_ok=True)
            obeyed += 1
        return bool(obeyed)

    def _carry_out(self, wish: Wish) -> None:
        if wish == Wish.RESUME:
            arena_status.end_rest(self.world)
            self._trouble = self._doorway.trouble = self._rest_owed = ""
            self._deaths = Deaths()
            self._set_aside_in_a_row = self._false_starts = 0
        elif wish == Wish.SKIP:
            self._skip()
        else:
            arena_status.rest(self.world, asked=wish)
            if self._running:
                self.trainer.send(Command.PAUSE if wish == Wish.PAUSE else Command.STOP)

    def _obey_of_quests(self) -> bool:
        obeyed = 0
        hands = Hands(self.world, skip=self._skip)
        for path, order in quest_orders.MAILBOX.waiting(self.world, on_damaged=self._damaged.append):
            log.info("%s of %d quests asked by %s", order.act, len(order.quests), order.by)
            if order.act == Act.FORCE:  # the only one that would do harm if it were carried out twice
                path.unlink()
            try:
                acts.carry_out(hands, order)
            except OSError as error:
                if disk_errors.passes(error):
                    if order.act == Act.FORCE:
                        self._tell(
                            "order_refused", "The disk cut an order to force short: give it again", act=order.act
                        )
                    raise
                log.exception("an order cannot be carried out")  # else it would end each daemon that finds it
                self._tell("order_refused", f"{order.act} cannot be carried out: {error}", act=order.act)
            path.unlink(missing_ok=True)
            obeyed += 1
        return bool(obeyed)

    def _skip(self) -> None:
        """End this battle without resting; where the arena rests already, it stays at rest."""
        battle = self._running or battles.unfinished()
        if battle is None:
            self._tell("nothing_skipped", "There is no battle to skip")
            return
        arena_status.note_skip(self.world, battle.battle_id)
        if self._running:
            self.trainer.send(Command.STOP)

    def _finish_stop(self) -> bool:
        """A stop or skip ends its battle even where the trainer died or paused before it acted, or nothing ran.

        Its steps are in a checkpoint already.
        """
        if self._running:
            return False
        skipped = arena_status.skipped_battle(self.world)
        stop = arena_status.read_rest(self.world).get("asked") == Wish.STOP
        if not stop and skipped is None:
            return False
        battle = battles.unfinished()
        ended = battle is not None and (stop or battle.battle_id == skipped)
        if battle and ended:
            self._retreat(battle, "skipped" if battle.battle_id == skipped else "stopped")
            self._trouble = ""
            if "reason" in arena_status.read_rest(
                self.world
            ):  # it was that battle's trouble; the rest goes on without it
                arena_status.rest(self.world, asked=Wish.PAUSE)
        arena_status.forget_skip(self.world)
        return ended

    def _retreat(self, battle: Battle, how: str) -> None:
        queue.cancel(self.world, battle.quest, f"{how} by the player while it rested")
        with transaction.atomic():
            battles.end(battle, Battle.State.STOPPED)
            battle.save()
            said = f"{battle.quest.name} was skipped" if how == "skipped" else f"Retreated from {battle.quest.name}"
            chronicle.say(EventKind.BATTLE_STOPPED, said, battle=battle.battle_id)

    def _take_in_events(self) -> bool:
        battle = self._running
        if battle is None:
            return False
        took = False
        for event in battles.take_in_events(self.world, battle):
            took = True
            self._follow(battle, event)
        if took and sparrings.is_sparring(battle.quest):
            sparrings.write(self.world)
        # An ending alone may be the last word of a trainer that a killed daemon left behind, while ours begins.
        if self._over and self.trainer.ready:
            self._running, self._over = None, False
        return took

    def _follow(self, battle: Battle, event: Event) -> None:
        """In memory only: the event is committed and will not be read again, so nothing here may fail."""
        if event.kind == EventKind.CHECKPOINT_SAVED:
            self._deaths = Deaths()
            self._set_aside_in_a_row = 0
            self._room_wanted = True
        if event.kind == EventKind.ANSWERED:
            self.player.doubt()
        if event.is_ending:
            self._over = True
        if event.kind in (EventKind.BATTLE_STARTED, EventKind.BATTLE_RESUMED):
            self._over, self._trouble, self._false_starts = False, "", 0
        if event.kind == EventKind.BATTLE_COMPLETED:
            self._forged_failures = 0
            self._room_wanted = True
        if event.kind == EventKind.BATTLE_FAILED:
            self._note_failure(battle, event)

    def _make_room(self) -> bool:
        if not self._room_wanted:
            return False
        retention.prune(
            self.world,
            self.config.hero,
            keep=self.config.keep_checkpoints,
            budget_bytes=int(self.config.checkpoint_budget_gb * 1e9),
            spared=served.held(self.world, self.config.hero),
        )
        queue.prune_forged(self.world, keep=self.config.keep_forged_quests)
        self._room_wanted = False
        return True

    def _note_failure(self, battle: Battle, event: Event) -> None:
        """What forged quests meet again and again every quest would meet. (A fault of the hero: see battles.)"""
        if event.data.get("blame") != "hero" and is_forged_name(battle.quest.name):
            self._forged_failures += 1
            if self._forged_failures >= MOST_FORGED_FAILURES:
                self._rest_for(f"{self._forged_failures} forged quests failed in a row: {event.message}")

    def _rest_for(self, trouble: str) -> None:
        """Every quest would meet this trouble: wait for the player instead of failing them one by one."""
        self._trouble = self._rest_owed = trouble

    def _settle_rest(self) -> bool:
        if not self._rest_owed:
            return False
        arena_status.rest(self.world, asked="trouble", reason=self._rest_owed)
        self._rest_owed = ""
        return True

    def _watch_trainer(self) -> None:
        """One that hangs is killed; then it is a dead one."""
        why = self.trainer.why_hung()
        if why and not self._hung:
            self._hung = why
            log.error("the trainer %s: it is killed", why)
        if self._hung:
            self.trainer.kill()
        waits = self.trainer.trouble
        if waits and not self._trainer_waits:
            self._tell("disk_trouble", f"The battle waits: {waits}")
        if self._trainer_waits and not waits and self.trainer.alive:
            self._tell("disk_recovered", "The battle goes on")
        self._trainer_waits = waits

    def _mind_trainer(self) -> bool:
        code = self.trainer.exit_code
        if code is not None:
            self._take_in_events()
            self._note_death(code)
            self.trainer.bury()
        given_up = self._false_starts >= MOST_FALSE_STARTS
        if self.trainer.alive or given_up or self._clock() < self._not_before:
            return False
        self.trainer.start()
        self._started_at = self._clock()
        return True

    def _note_death(self, code: int) -> None:
        """In memory only, so that an error after it does not count a death twice."""
        kind, how = ("trainer_hung", self._hung) if self._hung else ("trainer_died", f"died (exit code {code})")
        last_lines = self.trainer.last_lines()
        log.error("the trainer %s: %s", how, last_lines)
        battle = None if self._over else self._running
        self._running, self._over, self._hung = None, False, ""
        if code in (ExitCode.SYSTEM, ExitCode.ANOTHER_TRAINER):
            again = 1
            self._rest_for(f"the trainer cannot go on: {last_lines}")
            follows = f"the arena rests until you resume: {last_lines}"
        elif battle:
            again = self._count_battle_death(battle, how, last_lines)
            follows = "it is started again"
        else:
            again = self._count_idle_death(last_lines)
            given_up = again >= MOST_FALSE_STARTS
            follows = f"it is not started again until you resume: {last_lines}" if given_up else "it is started again"
        self._not_before = self._clock() + min(LONGEST_BACKOFF_SECONDS, 0.25 * 2**again)
        self._tell(kind, f"The trainer {how}; {follows}", exit_code=code)

    def _count_battle_death(self, battle: Battle, how: str, last_lines: str) -> int:
        before = self._deaths.count if self._deaths.battle == battle.battle_id else 0
        reason = f"the trainer died {before + 1} times on this quest; the last time it {how}: {last_lines}"
        self._deaths = Deaths(battle.battle_id, before + 1, reason)
        return self._deaths.count

    def _count_idle_death(self, last_lines: str) -> int:
        lived_seconds = self._clock() - self._started_at
        self._false_starts = self._false_starts + 1 if lived_seconds < FALSE_START_SECONDS else 1
        if self._false_starts >= MOST_FALSE_STARTS:
            self._rest_for(f"the trainer died {self._false_starts} times before any battle began: {last_lines}")
        return self._false_starts

    def _set_aside(self) -> bool:
        """A quest that kills the trainer again and again has failed; the next one runs."""
        if self._running or self._deaths.count < MOST_DEATHS:
            return False
        battle, reason = battles.unfinished(), self._deaths.reason
        if battle and battle.battle_id == self._deaths.battle:
            queue.fail(self.world, battle.quest, reason)
            with transaction.atomic():
                battles.end(battle, Battle.State.FAILED)
                battle.save()
                chronicle.say(
                    EventKind.BATTLE_FAILED, f"{battle.quest.name} is set aside: {reason}", battle=battle.battle_id
                )
        self._deaths = Deaths()
        self._set_aside_in_a_row += 1
        if self._set_aside_in_a_row >= MOST_SET_ASIDE:
            self._rest_for(f"{self._set_aside_in_a_row} quests in a row killed the trainer; of the last: {reason}")
        return True

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
        path = queue.path_of(self.world, quest)
        if not path.exists():
            queue.forget(quest, "its file is gone from the queue")
            return None
        # Of an older release, or lost with the power; or seen beside a quest that has been cancelled since.
        if not reports.is_complete(path) or admission.misses_rows(path):
            queue.look_again(self.world, quest)
            return None
        self._read_settings_again()
        if expiry.expire(self.world, quest, hero=self.config.hero, most_steps=self._rules.sparring_stale_steps):
            return None
        queue.begin(self.world, quest)
        return battles.open_battle(
            self.world, self.config, self.recipe, quest, specs=self._specs, host_answers=self._hosts.answers
        )

    def _read_settings_again(self) -> None:
        """Changed settings are for the next battle and the next file; what cannot be leaves the old in force, told."""
        self._settings_read_at = self._clock()
        try:
            config = self._reload_config()
            read_curriculum(config)
            self.recipe, self._rules, self._specs = read_recipe(config), read_rules(config), load_declared(self.world)
            self.config = replace(self.config, curriculum=config.curriculum, autoplay=config.autoplay)
            trouble = ""
        except strict.BadConfig as error:
            trouble = f"The old settings stay in force: {error}"
        if trouble and trouble != self._settings_trouble:
            self._tell("settings_refused", trouble)
        self._settings_trouble = trouble

    def _refresh_settings(self) -> None:
        if self._clock() - self._settings_read_at > FRESH_SECONDS:
            self._read_settings_again()

    def _gate_settings(self) -> GateSettings:
        self._refresh_settings()
        found = tokenizer.find(self.world, self.config)
        return GateSettings(rules=self._rules, recipe=self.recipe, tokenizer=found, specs=self._specs)

    def _quests_arrive(self) -> bool:
        return self._doorway.something_arrives or queue.arrived().exists()

    def _play(self) -> bool:
        """With nothing else to do, the guild forges the next quest; while the last one is trained on, ahead."""
        self._refresh_settings()
        waits = self._doorway.something_arrives or queue.arrived().exists() or queue.waiting().exists()
        wanted = self.config.autoplay and not self.resting and not waits
        return self.player.look(wanted=wanted, free=not (self._running or battles.unfinished()))

    def _tell_status(self, *, force: bool = False, state: str | None = None) -> None:
        """The disk that is in trouble may be the one this is written to; then the page sees that it grows old."""
        try:
            self._write_status(force=force, state=state)
        except disk_errors.TROUBLES as error:
            if not disk_errors.passes(error):
                raise
            log.debug("the status cannot be written: %s", error)

    def _write_status(self, *, force: bool, state: str | None) -> None:
        battle = self._running or self._unfinished()
        waits = self.trainer.trouble
        status = {
            "pid": os.getpid(),
            "state": state or self._state(battle),
            "message": waits or self._disk_trouble or self._own_trouble() or self._why_rest(),
            "waits": bool(waits),
            "battle": battle.battle_id if battle else None,
            "quest": battle.quest.name if battle else None,
            "trainer_pid": self.trainer.pid,
        }
        now = self._clock()
        if force or status != self._last_status or now - self._last_heartbeat >= HEARTBEAT_SECONDS:
            durable.write_json(self.world.arena_status, status | {"time": time.time()}, sync=False)
            self._last_status, self._last_heartbeat = status, now

    def _own_trouble(self) -> str:
        return self._trouble or self.player.trouble or self._doorway.trouble or self._settings_trouble

    def _why_rest(self) -> str:
        return str(arena_status.read_rest(self.world).get("reason", ""))

    def _unfinished(self) -> Battle | None:
        """Unknown, and so left out of the status, while the database is in trouble."""
        return None if self._disk_trouble else battles.unfinished()

    def _state(self, battle: Battle | None) -> str:
        if self.trainer.trouble:
            return "paused"
        if self._running:
            return "training" if self._running.first_step is not None else "preparing"
        if self.resting:
            return "paused" if battle else "resting"
        return "idle" if self.trainer.ready else "preparing"
