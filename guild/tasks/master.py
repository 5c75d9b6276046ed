"""The Task Master: starts the most urgent task of each resource when its time has come, and watches it to its end.

A tick looks at everything once; then it waits. What became of a task is on disk before the next one begins.
"""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
from django.db import DatabaseError, connection
from django.db.models import Q
from django.utils import timezone

from guild.models import Run
from guild.skills.health import usable_skills
from guild.tasks import children, conditions, registry, run_requests, state
from guild.tasks.children import Child, Ended, Orphan
from guild.tasks.conditions import Hosts, View
from guild.tasks.cooldown import Wait, wait_of
from guild.tasks.load import Arena, Load, LoadMeter, read_arena
from guild.tasks.registry import PLAYERS_PRIORITY, RESOURCES, RUN_PREFIX, Task
from guild.tasks.state import AllStates, LastRun, Outcome, RunningMark, TaskState
from guild.tasks.task_settings import Rules, read_rules
from guild.work import runs
from guild.workers.dispatch import hand_over
from realm.config import DEFAULTS_FILE, RealmConfig, config_file
from realm.databases.changes import Nothing
from realm.databases.watch import DatabaseGone, DatabaseWatch
from realm.disk import durable
from realm.processes import notify
from realm.processes.log import ChildLog
from realm.strict import BadConfig
from realm.world import World

log = logging.getLogger(__name__)

STATUS_FILE = "task_master.json"
TICK_SECONDS = 2.0
HEARTBEAT_SECONDS = 4.0
QUIET_SECONDS = 30.0
"""After the realm's start, when hero, pages and oracle need the machine themselves."""
CLAIM_SECONDS = 3.0
"""A run younger than this may be one that somebody is about to perform himself."""
SKILLS_SECONDS = 60.0


@dataclass
class Running:
    task: Task
    process: Child | Orphan
    started_at: float
    """By the clock, for those who read of it."""
    since: float
    """By what no clock that is set moves, for its timeout."""
    ending: Outcome | None = None
    """Why it was told to end."""
    kill_at: float = 0.0
    killed: bool = False


class TaskMaster:
    def __init__(
        self,
        *,
        world: World,
        config: RealmConfig,
        reload_config: Callable[[], RealmConfig] | None = None,
        tasks: Callable[[Rules, AllStates], Sequence[Task]] | None = None,
        clock: Callable[[], float] = time.time,
        elapsed: Callable[[], float] | None = None,
        meter: LoadMeter | None = None,
        hosts: Hosts | None = None,
        quiet_seconds: float = 0.0,
        interval_seconds: float = 0.0,
    ) -> None:
        """For `quiet_seconds` nothing begins by itself, only what the player wants.

        What is due is looked for every `interval_seconds`, or at each tick where these are longer; running tasks and
        the heartbeat are minded at each tick all the same. `elapsed` is no time of day, since that may be set; a clock
        that is handed in stands for both.
        """
        self.world = world
        self.config = config
        self.rules = read_rules(config)
        self._reload_config = reload_config
        self._tasks_of = tasks or (lambda rules, states: realm_tasks(rules, states, self._skills()))
        self._clock = clock
        self._elapsed = elapsed or (time.monotonic if clock is time.time else clock)
        self._quiet_until = clock() + quiet_seconds
        self._interval_seconds = interval_seconds
        self._looked_at = -math.inf
        self._meter = meter or LoadMeter()
        self._hosts = hosts
        self._stopping = threading.Event()
        self._database = DatabaseWatch(self.world)
        self._nothing = Nothing()
        self._running: dict[str, Running] = {}
        self._unsaved: list[tuple[str, Callable[[TaskState], TaskState]]] = []
        self._states, self._states_stamp = AllStates(), (-1, -1)
        self._config_stamp = self._stamp_of_config()
        self._skill_names: tuple[str, ...] = ()
        self._skills_read_at = -SKILLS_SECONDS
        self._waits: dict[str, Wait] = {}
        self._wishes: dict[str, list[Path]] = {}
        self._load = Load(cpu_percent=None)
        self._arena = Arena(state="offline")
        self._trouble = self._last_trouble = self._settings_trouble = ""
        self._told: dict[str, Any] = {}
        self._told_at = -HEARTBEAT_SECONDS

    @property
    def running(self) -> list[str]:
        """Names of the tasks that run now."""
        return list(self._running)

    def stop(self) -> None:
        """Ask the loop to end; safe in a signal handler."""
        self._stopping.set()

    def run(self) -> None:
        """Serve until stopped; the tasks that run are ended before this returns."""
        self.begin()
        try:
            while not self._stopping.is_set():
                self.tick()
                notify.beat()
                self._stopping.wait(TICK_SECONDS)
        finally:
            self.end()

    def run_once(self) -> list[str]:
        """Start what may begin now, wait until it has ended; the names of what was done."""
        self.begin()
        try:
            self.tick()
            begun = self.running
            self._stopping.wait(TICK_SECONDS)  # until then nobody knows how busy the machine is
            self.tick()
            begun = list(dict.fromkeys([*begun, *self.running]))
            while self._running and not self._stopping.wait(TICK_SECONDS / 10):
                self._guarded(self._mind_running)
        finally:
            self.end()
        return begun

    def begin(self) -> None:
        """Take over what a Task Master that was killed left behind."""
        self._guarded(self._take_over)

    def end(self) -> None:
        """Ask every task to end, kill what has not after the grace."""
        for running in self._running.values():
            self._ask_to_end(running, "stopped")
        deadline = time.monotonic() + children.GRACE_SECONDS
        while self._running and time.monotonic() < deadline:
            self._guarded(self._mind_running)
            time.sleep(0.05)
        for running in self._running.values():
            running.process.kill()
        while self._running and time.monotonic() < deadline + children.GRACE_SECONDS:
            self._guarded(self._mind_running)
            time.sleep(0.05)
        self._guarded(lambda: self._tell(how="offline", force=True))

    def tick(self) -> None:
        self._trouble = ""
        self._read_settings_again()
        if self._database_is_there():
            self._guarded(self._mind_running)
            self._guarded(self._start_what_is_due)
        self._guarded(self._tell)

    def _database_is_there(self) -> bool:
        """One that was made anew is opened anew: what is written to the former one is for nobody."""
        try:
            self._database.check()
        except DatabaseGone as gone:
            connection.close()
            self._database = DatabaseWatch(self.world)
            self._trouble = str(gone)
            return False
        return True

    def _guarded(self, look: Callable[[], None]) -> None:
        """A full disk or a database that does not answer passes; what was not done is done at a later tick."""
        try:
            look()
        except (OSError, DatabaseError) as error:
            self._note_trouble(error)

    def _note_trouble(self, error: OSError | DatabaseError) -> None:
        self._trouble = f"{type(error).__name__}: {error}"
        if self._trouble != self._last_trouble:
            log.error(self._trouble)
        self._last_trouble = self._trouble
        if isinstance(error, DatabaseError):
            connection.close()  # the next question opens a new one

    # What runs

    def _take_over(self) -> None:
        found = children.find_orphans(self.world)
        for name, known in state.read(self.world).tasks.items():
            mark = known.running
            process = children.find_process(mark.pid, mark.create_time, mark.identity) if mark else None
            if process:
                found.setdefault(name, process)
            elif mark and name not in found:
                self._note_lost(name, mark)
        known_tasks = {task.name: task for task in self._all_tasks()}
        for name, process in found.items():
            self._adopt(known_tasks.get(name) or _unknown_task(name), process)

    def _adopt(self, task: Task, process: psutil.Process) -> None:
        log.info("%s still runs since an earlier Task Master, as process %d", task.name, process.pid)
        orphan = Orphan(process, ChildLog(children.log_path(self.world, task.name)))
        created = children.create_time(process) or self._clock()
        since = self._elapsed() - max(0.0, self._clock() - created)
        self._running[task.name] = Running(task=task, process=orphan, started_at=created, since=since)
        self._save(task.name, _begun(children.mark_of(process, created)))

    def _note_lost(self, name: str, mark: RunningMark) -> None:
        said = children.last_words(ChildLog(children.log_path(self.world, name)))
        run = LastRun(started_at=mark.started_at, ended_at=self._clock(), outcome="lost", exit_code=None, said=said)
        self._save(name, lambda before: state.ended(before, run))

    def _mind_running(self) -> None:
        self._save_what_is_left()
        for running in list(self._running.values()):
            ended = running.process.poll()
            if ended:
                self._bury(running, ended)
            elif running.ending:
                self._end_overdue(running)
            elif self._elapsed() - running.since > running.task.timeout_seconds:
                log.warning("%s takes longer than %.0f s: it is ended", running.task.name, running.task.timeout_seconds)
                self._ask_to_end(running, "timeout")

    def _ask_to_end(self, running: Running, why: Outcome) -> None:
        if running.ending is None:
            running.ending, running.kill_at = why, self._elapsed() + children.GRACE_SECONDS
            running.process.terminate()

    def _end_overdue(self, running: Running) -> None:
        if not running.killed and self._elapsed() >= running.kill_at:
            log.warning("%s does not end: it is killed", running.task.name)
            running.process.kill()
            running.killed = True

    def _bury(self, running: Running, ended: Ended) -> None:
        del self._running[running.task.name]
        run = LastRun(
            started_at=running.started_at,
            ended_at=max(self._clock(), running.started_at),
            outcome=running.ending or _outcome(ended),
            exit_code=ended.exit_code,
            said=running.process.said(),
        )
        level = logging.WARNING if run.outcome in state.BAD_OUTCOMES else logging.INFO
        log.log(level, "%s: %s after %.1f s: %s", running.task.name, run.outcome, run.seconds, run.said)
        self._save(running.task.name, lambda before: state.ended(before, run))
        if running.task.run_id is not None:
            runs.settle_dead()

    # What begins

    def _start_what_is_due(self) -> None:
        # A clock that was set back postpones no look.
        if 0 <= self._clock() - self._looked_at < self._interval_seconds:
            return
        self._looked_at = self._clock()
        self._load = self._meter.look(self._clock(), self._processes())
        self._read_states()
        tasks = self._all_tasks()
        self._forget_old_runs(tasks)
        self._wishes = run_requests.waiting(self.world, on_damaged=log.warning)
        for unknown in set(self._wishes) - {task.name for task in tasks}:
            run_requests.forget(self._wishes.pop(unknown))
        view = self.view()
        tasks, self._waits = hand_over(
            self.world, tasks, is_due=lambda task: self._own_wait(task, view) is None, wished=self._wishes
        )
        for resource in RESOURCES:
            self._start_one([task for task in tasks if task.resource == resource], view)

    def _start_one(self, tasks: Sequence[Task], view: View) -> None:
        """The most urgent one that may begin; of equals the one that has waited the longest."""
        busy = next((running.task for running in self._running.values() if _same_resource(running, tasks)), None)
        for task in sorted(tasks, key=self._urgency):
            wait = self._wait_of(task, busy, view)
            if wait is None and not self._start(task):
                wait = Wait(why=f"the {task.resource} is taken by a task that was started by hand")
            if wait is None:
                busy = task
            elif task.name not in self._running:
                self._waits[task.name] = wait

    def _urgency(self, task: Task) -> tuple[int, float, str]:
        last = self._states.of(task.name).last
        priority = PLAYERS_PRIORITY if task.name in self._wishes else task.priority
        return (-priority, last.ended_at if last else 0.0, task.name)

    def _wait_of(self, task: Task, busy: Task | None, view: View) -> Wait | None:
        """Cheap questions first: a host is asked only for a task that nothing else keeps."""
        is_wished = task.name in self._wishes
        wait = None if is_wished else self._own_wait(task, view)
        if wait is None and busy:
            wait = Wait(why=f"{busy.name} has the {task.resource}")
        if wait is None and not is_wished and (why := conditions.why_not(task.conditions, view)):
            wait = Wait(why=why)
        return wait

    def _own_wait(self, task: Task, view: View) -> Wait | None:
        wait = wait_of(task, self._states.of(task.name), view.now)
        # A clock that was set back makes no quiet longer than it was meant to be.
        if not (wait or task.run_id) and 0 < self._quiet_until - view.now <= QUIET_SECONDS:
            wait = Wait(why="the realm has just been started", due_at=self._quiet_until)
        return wait

    def _start(self, task: Task) -> bool:
        """Whether its resource was free."""
        with children.resource_lock(self.world, task.resource) as lock:
            if lock is None:
                return False
            now = self._clock()
            run_requests.forget(self._wishes.pop(task.name, []))
            try:
                child = Child.start(self.world, task, lock)
            except OSError as error:
                run = LastRun(started_at=now, ended_at=now, outcome="failed", exit_code=None, said=str(error))
                self._save(task.name, lambda before: state.ended(before, run))
                return True
        log.info("%s begins, as process %d", task.name, child.process.pid)
        self._running[task.name] = Running(task=task, process=child, started_at=now, since=self._elapsed())
        self._save(task.name, _begun(children.mark_of(child.process, now)))
        return True

    def view(self) -> View:
        now = self._clock()
        self._arena = read_arena(self.world, now)
        self._hosts = self._hosts or Hosts(self.world, self.config)
        return View(
            world=self.world,
            config=self.config,
            rules=self.rules,
            load=self._load,
            arena=self._arena,
            hosts=self._hosts,
            now=now,
        )

    def _all_tasks(self) -> list[Task]:
        waiting = waiting_runs() if self._nothing.unless_changed("runs", lambda: runs.waiting().exists()) else []
        return [*registry.player_runs(waiting), *self._tasks_of(self.rules, self._states)]

    def _skills(self) -> tuple[str, ...]:
        if abs(self._clock() - self._skills_read_at) >= SKILLS_SECONDS:
            self._skill_names = tuple(skill.name for skill in usable_skills(self.world))
            self._skills_read_at = self._clock()
        return self._skill_names

    def _processes(self) -> list[psutil.Process]:
        return [running.process.process for running in self._running.values()]

    # What is written

    def _read_states(self) -> None:
        stamp = state.stamp(self.world)
        if stamp != self._states_stamp and not self._unsaved:
            self._states, self._states_stamp = state.read(self.world), stamp

    def _save(self, name: str, change: Callable[[TaskState], TaskState]) -> None:
        self._states = replace(self._states, tasks=self._states.tasks | {name: change(self._states.of(name))})
        self._unsaved.append((name, change))
        self._save_what_is_left()

    def _save_what_is_left(self) -> None:
        """What a disk in trouble does not take now is written later, in the same order; the tasks are minded still."""
        try:
            while self._unsaved:
                state.update(self.world, *self._unsaved[0])
                self._unsaved.pop(0)
        except OSError as error:
            self._note_trouble(error)

    def _forget_old_runs(self, tasks: Sequence[Task]) -> None:
        names = {task.name for task in tasks} | set(self._running)
        over = {name for name in self._states.tasks if name.startswith(RUN_PREFIX) and name not in names}
        if over:
            state.forget(self.world, over)

    def _stamp_of_config(self) -> tuple[int, ...]:
        stamps = []
        for path in (DEFAULTS_FILE, config_file(self.world)):
            try:
                stamps.append(path.stat().st_mtime_ns)
            except OSError:
                stamps.append(0)
        return tuple(stamps)

    def _read_settings_again(self) -> None:
        stamp = self._stamp_of_config()
        if stamp == self._config_stamp or self._reload_config is None:
            return
        self._config_stamp = stamp
        try:
            config = self._reload_config()
            self.rules, self.config, self._settings_trouble = read_rules(config), config, ""
        except BadConfig as error:
            self._settings_trouble = f"The old settings stay in force: {error}"
            log.warning(self._settings_trouble)

    def _tell(self, *, how: str = "serving", force: bool = False) -> None:
        told = self._status(how)
        changed = {key: told[key] for key in ("state", "running", "trouble")}
        now = self._clock()
        if force or changed != self._told or not 0 <= now - self._told_at < HEARTBEAT_SECONDS:
            durable.write_json(self.world.status / STATUS_FILE, told, sync=False)
            self._told, self._told_at = changed, now

    def _status(self, how: str) -> dict[str, Any]:
        now = self._clock()
        due = sorted((wait.due_at, name) for name, wait in self._waits.items() if wait.due_at is not None)
        return {
            "time": now,
            "pid": os.getpid(),
            "state": how,
            "trouble": self._trouble or self._settings_trouble,
            "idle": {
                "limit_percent": self.rules.idle_percent,
                "cpu_percent_of_others": self._load.cpu_percent,
                "gpu_percents": list(self._load.gpu_percents),
                "battle_trains": self._arena.trains,
            },
            "running": [
                {
                    "name": running.task.name,
                    "title": running.task.title,
                    "pid": running.process.process.pid,
                    "started_at": running.started_at,
                    "resource": running.task.resource,
                    "ending": running.ending,
                }
                for running in self._running.values()
            ],
            "next": {"name": due[0][1], "due_at": due[0][0]} if due else None,
            "waits": {name: {"why": wait.why, "due_at": wait.due_at} for name, wait in self._waits.items()},
        }


def realm_tasks(rules: Rules, states: AllStates, skills: Sequence[str]) -> tuple[Task, ...]:
    return registry.list_tasks(rules, skills)


def waiting_runs() -> list[Run]:
    """Those of the player that nobody performs, the oldest first; one of the future was asked for by another clock."""
    now = timezone.now()
    is_new = Q(created_at__gt=now - timedelta(seconds=CLAIM_SECONDS), created_at__lte=now)
    return list(runs.waiting().exclude(is_new))


def _begun(mark: RunningMark) -> Callable[[TaskState], TaskState]:
    return lambda before: replace(before, running=mark)


def _outcome(ended: Ended) -> Outcome:
    if ended.exit_code is None:
        return "lost"
    return "failed" if ended.exit_code else "ok"


def _same_resource(running: Running, tasks: Sequence[Task]) -> bool:
    return any(running.task.resource == task.resource for task in tasks)


def _unknown_task(name: str) -> Task:
    """Of a skill that is gone meanwhile, or a run that is performed already: it may end in its own time."""
    return Task(
        name=name,
        title=name,
        priority=0,
        argv=(),
        resource="oracle",
        conditions=(),
        cooldown_seconds=0.0,
        timeout_seconds=registry.RUN_SECONDS,
    )
