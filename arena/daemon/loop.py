"""The arena daemon: owns the queue and the trainer's life, and is the only writer of quest states.

A tick looks at everything once and says whether it did work; then the daemon waits for a bell or a timeout.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import transaction

from arena import chronicle, disk_errors, orders, quest_orders
from arena import status as arena_status
from arena.daemon import battles, events, going_back, history, rate, recipe_news, sparring_expiry, won_level
from arena.daemon.autoplay import Player
from arena.daemon.chronicle_outbox import Outbox
from arena.daemon.disk_care import DiskCare
from arena.daemon.hero_change import HeroChange
from arena.daemon.host_watch import HostWatch
from arena.daemon.outcomes import Outcomes
from arena.daemon.pause import Pause
from arena.daemon.readiness import Readiness
from arena.daemon.settings import Settings
from arena.daemon.slow_looks import SlowLooks
from arena.daemon.status import Situation, StatusFile
from arena.daemon.trainer.care import TrainerCare
from arena.daemon.trainer.process import Group, TrainerProcess
from arena.daemon.until import FOREVER, Until
from arena.gate import report as reports
from arena.gate.process import ASIDE, LARGE, Gate, GateProcess
from arena.history import deleting
from arena.models import Battle, Quest
from arena.orders import Request, Wish
from arena.profiles.resolving import Resolved
from arena.protocol import Command, Event, EventKind
from arena.quest_orders import Act, QuestOrder
from arena.queue import acts, admission, network_mounts
from arena.queue import files as queue
from arena.queue.acts import Context
from arena.queue.intake import Doorway
from arena.recipe import Recipe
from arena.reports import sparrings
from arena.sources.inspecting import Lookout
from arena.status import LOCK_FILE
from realm.config import RealmConfig
from realm.databases.changes import Nothing
from realm.databases.watch import DatabaseWatch
from realm.disk.locks import Taken, only_one
from realm.processes import notify
from realm.quest_names import is_forged_name
from realm.weaver import service_lock
from realm.world import World
from vault.errors import Refused
from vault.treasury import shelf

log = logging.getLogger(__name__)

IDLE_SECONDS = 2.0
REMOTE_IDLE_SECONDS = 1.0
"""The same where the inbox lies on a file server, which rings no bell."""
UNSETTLED_SECONDS = 0.05
MOST_FORGED_FAILURES = 3
LOCK_SECONDS = 1.0
"""For the treasury, while somebody deletes by hand; room is made after the next save as well."""


class AnotherDaemon(Exception):
    """Another daemon serves this world; the text names it."""


@contextmanager
def only_daemon(world: World) -> Iterator[None]:
    """Hold the world's daemon lock. Raises AnotherDaemon."""
    try:
        with only_one(world.control / LOCK_FILE):
            yield
    except Taken as pid:
        raise AnotherDaemon(f"the arena of {world.home} is served by {service_lock.in_words(str(pid))}") from None


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
        until: Until = FOREVER,
    ) -> None:
        self.world = world
        self._until = until
        self.wake_up = threading.Event()
        self._damaged: list[str] = []
        """One sentence for each file in `control/` that was set aside."""
        self._stopping = threading.Event()
        self._clock = clock

        # What it cares for; each care is a class of its own.
        self._outbox = Outbox()
        self._tell = self._outbox.add
        self.settings = Settings(world, config, self._outbox, load=reload_config or (lambda: config), clock=clock)
        self.rest = Pause(world)
        self._disk = DiskCare(world, self._outbox, clock=clock)
        self._database = DatabaseWatch(world)
        self._nothing = Nothing()
        self._status = StatusFile(world.arena_status, clock=clock)
        self._slow_looks = SlowLooks(world, self._status)
        self._hosts = HostWatch(world)

        # The trainer, and what it fights.
        self.trainer = trainer or TrainerProcess(world, self.wake_up.set, clock=clock)
        self.trainer.group = self._group_by(self.settings.recipe)
        self._trainer_care = TrainerCare(world, self.trainer, self._outbox, self.rest, clock=clock)
        self._running: Battle | None = None
        self._over = False
        """Whether the running battle has said that it ended."""
        self._hero_change = HeroChange(world, self.settings, self._outbox)
        self._forged_failures = 0
        self._room_wanted = False
        self._outcomes = Outcomes(world)
        self._again: dict[int, Path] = {}

        self._readiness = Readiness(world, self.settings, self.rest, self._outbox, self.wake_up.set)

        # Where quests come from: the inbox by the gatekeepers, folders of the player's, the guild.
        self.gate = gate or GateProcess(world, self.wake_up.set, clock=clock)
        self.large_gate = gate or GateProcess(world, self.wake_up.set, clock=clock, kind=LARGE)
        self._doorway = Doorway(world, self.gate, self.settings.for_gate, large_gate=self.large_gate, clock=clock)
        self.looker = looker or GateProcess(world, self.wake_up.set, clock=clock, kind=ASIDE)
        self._lookout = Lookout(
            world, self.looker, self.settings.for_gate,
            quests_wait=self._quests_arrive, on_damaged=self._damaged.append,
        )  # fmt: skip
        self.player = player or Player(world, config.hero, self.settings.curriculum, self.wake_up.set, clock=clock)
        self._hears_nothing = network_mounts.is_remote(world.inbox.stat().st_dev)

    def stop(self) -> None:
        """Ask the loop to end; safe in a signal handler."""
        self._stopping.set()
        self.wake_up.set()

    def run(self) -> None:
        """Serve until stopped; the trainer saves before this returns."""
        self._beat()
        try:
            with self._slow_looks:
                self._serve()
        finally:
            self._status.tell(self._situation, offline=True)

    def _serve(self) -> None:
        self.player.prepare()
        self._hosts.open()
        try:
            while not self._stopping.is_set():
                if not self.tick():
                    if self._until.idle and self._is_idle():
                        break
                    self.wake_up.wait(self._idle_seconds())
                self.wake_up.clear()
        finally:
            self._hosts.close()
            self.trainer.shut_down(meanwhile=self._beat)
            self.gate.shut_down()
            self.large_gate.shut_down()
            self.looker.shut_down()
            self._readiness.weights.end()
            self._disk.guard(self._take_in_events)

    def _is_idle(self) -> bool:
        """Whether nothing is fought, waits to be or is about to arrive; a daemon that rests fights nothing either."""
        if self._running or not self.player.sets_ready or self._disk.trouble:
            return False
        return self.rest.active or not (self._unfinished() or self._quests_arrive() or self._quests_wait())

    def _idle_seconds(self) -> float:
        """Seconds until the next look; short while a file is settling, longer the longer it takes."""
        since = self._doorway.unsettled_since
        if since is None:
            until_start = self._trainer_care.seconds_to_start
            idle = REMOTE_IDLE_SECONDS if self._hears_nothing else IDLE_SECONDS
            return until_start if 0 < until_start < idle else idle
        return min(IDLE_SECONDS, max(UNSETTLED_SECONDS, (self._clock() - since) / 4))

    def tick(self) -> bool:
        """A disk in trouble cuts the look short; the next one begins by putting right what was left half-done."""
        if self._trainer_care.watch():
            self._room_wanted = True  # below the floor the treasury gives what it can
        worked = self._disk.guard(self._look)
        self._disk.mind_ballast(trainer_waits=bool(self.trainer.trouble))
        self._beat()
        return worked

    def _look(self) -> bool:
        self._database.check()
        told = self._outbox.flush()
        self._disk.check_placed()
        self._disk.put_right(self._running)
        worked = [
            told,
            self._obey(),
            self._obey_of_quests(),
            self._obey_of_rate(),
            self.player.sets_ready and self._doorway.look(),
            self._lookout.look(),
            self._tell_damaged(),
            self._take_in_events(),
            self._outcomes.look(),
            self._mind_trainer(),
            self._set_aside(),
            self._finish_stop(),
            self._end_rest_of_battle(),
            self._obey_of_branches(),
            history.obey(self.world, on_damaged=self._damaged.append, tell=self._tell),
            self._make_room(),
            self._mind_model(),
            self.rest.settle(),
            self._change_hero(),
            self._readiness.mended(),
            self._leave_missing(),
            self._start_battle(),
            self._play(),
            self._outbox.flush(),
            self._mind_gate_disk(),
        ]
        return any(worked)

    def _mind_gate_disk(self) -> bool:
        """Last: a disk that is full for the gatekeepers keeps nobody else from working."""
        if self._doorway.disk_error:
            raise self._doorway.disk_error
        return False

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
            if self._is_meant(request):
                self._carry_out(request)
            path.unlink(missing_ok=True)
            obeyed += 1
        return bool(obeyed)

    def _is_meant(self, request: Request) -> bool:
        """A battle that has ended by now is no other one's."""
        battle = self._running or self._unfinished()
        if not request.battle or (battle and battle.battle_id == request.battle):
            return True
        self._tell(
            "order_refused", f"{request.battle} is not under way: {request.wish} makes no sense", act=request.wish
        )
        return False

    def _carry_out(self, request: Request) -> None:
        wish = request.wish
        if wish == Wish.RESUME:
            self._readiness.confirm()
            self.rest.end()
            self._doorway.trouble = ""
            self._trainer_care.forgive()
        elif wish == Wish.SKIP:
            self._skip()
        else:
            self.rest.begin(wish, by=request.by, battle=request.battle)
            if self._running:
                self.trainer.send(Command.PAUSE if wish == Wish.PAUSE else Command.STOP)

    def _obey_of_quests(self) -> bool:
        obeyed = 0
        context = Context(self.world, skip=self._skip_quest, again=self._again)
        for path, order in quest_orders.MAILBOX.waiting(self.world, on_damaged=self._damaged.append):
            log.info("%s of %d quests asked by %s", order.act, len(order.quests), order.by)
            slice_, rest = quest_orders.sliced(order)
            if order.act == Act.FORCE:  # the only one that would do harm if it were carried out twice
                self._forget(path, rest)
            try:
                acts.carry_out(context, slice_, is_last=rest is None)
            except OSError as error:
                if disk_errors.passes(error):
                    if order.act == Act.FORCE:
                        self._tell(
                            "order_refused", "The disk cut an order to force short: give it again", act=order.act
                        )
                    raise
                log.exception("an order cannot be carried out")  # else it would end each daemon that finds it
                self._tell("order_refused", f"{order.act} cannot be carried out: {error}", act=order.act)
            if order.act != Act.FORCE:
                self._forget(path, rest)
            obeyed += 1
            if rest:
                break  # other commands come between the slices of a long one
        return bool(obeyed)

    def _obey_of_rate(self) -> bool:
        battle = self._running
        lowered = rate.obey(
            self.world, lambda: battle or self._unfinished(), tell=self._tell, on_damaged=self._damaged.append
        )
        if lowered and battle:
            self.trainer.send(Command.RATE)
        return lowered

    def _obey_of_branches(self) -> bool:
        """Behind the events that have come in: a battle that has ended by now is no longer under way."""
        obeyed = going_back.obey(self.world, on_damaged=self._damaged.append, tell=self._tell)
        if obeyed:
            self.player.doubt()
        return obeyed

    def _forget(self, path: Path, rest: QuestOrder | None) -> None:
        """An order that was obeyed; of a long one the rest stays."""
        if rest:
            quest_orders.MAILBOX.leave_rest(path, rest)
        else:
            path.unlink(missing_ok=True)

    def _skip_quest(self, quest: Quest) -> None:
        """Also where its battle waits for a hero that does not fight now: its steps are in a checkpoint."""
        under_way = self._running or self._unfinished()
        waits = Battle.objects.filter(quest=quest, state=Battle.State.PAUSED).select_related("quest").first()
        if waits and waits != under_way:
            self._retreat(waits, "skipped")
        else:
            self._skip()

    def _skip(self) -> None:
        """End this battle without resting; where the arena rests already, it stays at rest."""
        battle = self._running or self._unfinished()
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
        stop = self.rest.is_retreat
        if not stop and skipped is None:
            return False
        battle = self._unfinished()
        ended = battle is not None and (stop or battle.battle_id == skipped)
        if battle and ended:
            self._retreat(battle, "skipped" if battle.battle_id == skipped else "stopped")
            self.rest.forgive()
        arena_status.forget_skip(self.world)
        return ended

    def _end_rest_of_battle(self) -> bool:
        """Whoever let one battle rest, and ended it then, has not asked the others to."""
        rested = self.rest.battle
        if not rested or self._running:
            return False
        battle = self._unfinished()
        if battle and battle.battle_id == rested:
            return False
        self.rest.end()
        return True

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
        for event in events.take_in(self.world, battle):
            took = True
            self._follow(battle, event)
            if won_level.is_over(battle, event):
                self.trainer.send(Command.FINISH)
        if took and sparrings.is_sparring(battle.quest):
            sparrings.write(self.world)
        # An ending alone may be the last word of a trainer that a killed daemon left behind, while ours begins.
        if self._over and self.trainer.ready:
            self._running, self._over = None, False
        return took

    def _follow(self, battle: Battle, event: Event) -> None:
        """In memory only: the event is committed and will not be read again, so nothing here may fail."""
        self._trainer_care.follow(event)
        if event.kind in (EventKind.CHECKPOINT_SAVED, EventKind.BATTLE_COMPLETED):
            self._room_wanted = True
        if event.kind == EventKind.ANSWERED:
            self.player.doubt()
        if event.is_ending:
            self._over = True
            if self._until.is_reached(event.step):
                self.stop()
        if event.kind in (EventKind.BATTLE_STARTED, EventKind.BATTLE_RESUMED):
            self._over, self.rest.trouble = False, ""
        if event.kind == EventKind.BATTLE_COMPLETED:
            self._forged_failures = 0
            self._outcomes.doubt()
        if event.kind == EventKind.BATTLE_FAILED:
            self._note_failure(battle, event)

    def _note_failure(self, battle: Battle, event: Event) -> None:
        """What forged quests meet again and again every quest would meet. (A fault of the hero: see events.)"""
        if event.data.get("blame") != "hero" and is_forged_name(battle.quest.name):
            self._forged_failures += 1
            if self._forged_failures >= MOST_FORGED_FAILURES:
                self.rest.begin_for(f"{self._forged_failures} forged quests failed in a row: {event.message}")

    def _make_room(self) -> bool:
        if not self._room_wanted:
            return False
        config = self.settings.config
        try:
            shelf.apply(self.world, config, config.hero, by="arena", patient=False, wait_seconds=LOCK_SECONDS)
        except Refused as error:  # again after the next save
            log.warning("no room is made: %s", error)
        queue.prune_forged(self.world, keep=config.keep_forged_quests)
        deleting.empty_old(self.world)
        self._room_wanted = False
        return True

    def _mind_model(self) -> bool:
        """What the gatekeepers found wrong with the hero's model every other quest would meet too."""
        error, self._doorway.model_error = self._doorway.model_error, ""
        if error:
            self._readiness.note_trouble(error)
        return bool(error)

    def _mind_trainer(self) -> bool:
        code = self.trainer.exit_code
        if code is not None:
            self._take_in_events()
            self._trainer_care.note_death(code, None if self._over else self._running)
            self._running, self._over = None, False
            self.trainer.reap()
        return self._trainer_care.start()

    def _set_aside(self) -> bool:
        return not self._running and self._trainer_care.set_aside()

    def _unfinished(self) -> Battle | None:
        rows = self._nothing.unless_changed("unfinished", battles.all_unfinished)
        return battles.unfinished(self.world, self.settings.config.hero, rows)

    def _change_hero(self) -> bool:
        changed = self._hero_change.look(self.trainer, running=self._running is not None)
        self.player.take_on(self.settings.config.hero)
        return changed

    def _start_battle(self) -> bool:
        if self.rest.active or self._running or self._stopping.is_set() or not self.trainer.ready:
            return False
        battle = self._unfinished()
        # A battle that has trained goes on by its own order, whatever the settings say by now.
        if battle is None or not battles.has_trained(self.world, battle):
            battle = self._by_settings(battle)
        if battle is None:
            return False
        if self._regroup(self._group_of(battle)):
            return True
        self._running = battle
        self.trainer.run(battles.order_path(self.world, battle))
        if self._until.step is not None:
            self.trainer.pause_at(self._until.step)
        return True

    def _leave_missing(self) -> bool:
        """Other machines are waited for only while a battle needs them: it may be over, or the settings others."""
        if not self.trainer.missing or self._running or self.rest.active or self._stopping.is_set():
            return False
        battle = self._unfinished()
        if battle is None:
            return self._regroup(Group())
        if battles.has_trained(self.world, battle):
            return self._regroup(self._group_of(battle))
        resolved = self._readiness.judge(battle.quest, opened=True)
        return resolved is not None and self._regroup(self._group_by(resolved.recipe))

    def _regroup(self, group: Group) -> bool:
        """Whether others are to train together: the trainer, which fights nothing, ends; the next look starts them."""
        if group == self.trainer.group:
            return False
        self.trainer.shut_down(meanwhile=self._beat)
        self.trainer.group = group
        return True

    def _group_by(self, recipe: Recipe) -> Group:
        return Group.of(recipe, self.settings.config.node_address)

    def _group_of(self, battle: Battle) -> Group:
        """Whom its order wants to train together; of an order that cannot be read the trainer says so."""
        try:
            return self._group_by(battles.read_order(self.world, battle).recipe)
        except (OSError, ValueError):
            return Group()

    def _by_settings(self, battle: Battle | None) -> Battle | None:
        """This battle, or that of the next quest, with a recipe by the settings as they are now; None for none."""
        quest = battle.quest if battle else (queue.waiting().first() if self._quests_wait() else None)
        resolved = self._readiness.judge(quest, opened=battle is not None) if quest else None
        if quest is None or resolved is None:
            return None
        if battle is None:
            battle = self._open_battle(quest, resolved)
        else:
            battles.resolve_anew(
                self.world, self.settings.config, resolved.recipe, battle,
                specs=self.settings.specs, host_answers=self._hosts.answers, reason=resolved.reason,
            )  # fmt: skip
        if battle:
            recipe_news.tell(battle, resolved)
        return battle

    def _open_battle(self, quest: Quest, resolved: Resolved) -> Battle | None:
        """None where the quest is not to be fought, or not yet."""
        # What has become of it since the gatekeepers looked.
        path = queue.path_of(self.world, quest)
        if not path.exists():
            queue.forget(quest, "its file is gone from the queue")
            return None
        # Of an older release, or lost with the power; or seen beside a quest that has been cancelled since.
        # Or counted by another length than it would be trained with.
        if not reports.is_complete(path) or admission.misses_rows(path) or _is_outdated(path, resolved.recipe):
            queue.look_again(self.world, quest)
            return None

        config, rules = self.settings.config, self.settings.rules
        if sparring_expiry.expire(self.world, quest, hero=config.hero, most_steps=rules.sparring_stale_steps):
            return None
        queue.begin(self.world, quest)
        return battles.open_battle(
            self.world,
            config,
            resolved.recipe,
            quest,
            specs=self.settings.specs,
            host_answers=self._hosts.answers,
            reason=resolved.reason,
        )

    def _quests_arrive(self) -> bool:
        if self._doorway.something_arrives:
            return True
        return self._nothing.unless_changed("arrived", lambda: queue.arrived().exists())

    def _quests_wait(self) -> bool:
        return self._nothing.unless_changed("waiting", lambda: queue.waiting().exists())

    def _play(self) -> bool:
        """With nothing else to do, the guild forges the next quest; while the last one is trained on, ahead."""
        self.settings.refresh()
        waits = self._quests_arrive() or self._quests_wait()
        wanted = self.settings.config.autoplay and not self.rest.active and not waits
        return self.player.look(wanted=wanted, free=not (self._running or self._unfinished()))

    def _beat(self) -> None:
        notify.beat()
        self._status.tell(self._situation)
        self._slow_looks.beaten()

    def _situation(self) -> Situation:
        """The battle is unknown, and so left out, while the database is in trouble."""
        troubles = (
            self._disk.trouble, self.rest.trouble, self.player.trouble, self._doorway.trouble, self.settings.trouble
        )  # fmt: skip
        return Situation(
            battle=self._running or (None if self._disk.trouble else self._unfinished()),
            is_fought=self._running is not None,
            rests=self.rest.active,
            trainer_ready=self.trainer.ready,
            trainer_pid=self.trainer.pid,
            waits_for=self.trainer.trouble or self.trainer.missing,
            message=next(filter(None, troubles), self.rest.reason or self._readiness.weights.told),
        )


def _is_outdated(path: Path, recipe: Recipe) -> bool:
    report = reports.read_report(path)
    return report is not None and report.max_length not in (None, recipe.max_length)
