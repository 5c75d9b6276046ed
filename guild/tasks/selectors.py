"""The background tasks as pages and commands show them."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import psutil

from guild.skills import health
from guild.skills.health import Down, usable_skills
from guild.skills.registry import name_of, read_skills
from guild.tasks import children, conditions, registry, state
from guild.tasks.conditions import Hosts, View
from guild.tasks.cooldown import Wait, due, wait_of
from guild.tasks.load import LoadMeter, read_arena
from guild.tasks.master import STATUS_FILE, realm_tasks, waiting_runs
from guild.tasks.only_master import master_alive
from guild.tasks.registry import Task
from guild.tasks.state import AllStates, LastRun, RunningMark
from guild.tasks.task_settings import kind_and_skill, read_rules
from realm.config import RealmConfig
from realm.disk import mailbox
from realm.disk.mailbox import Damaged
from realm.heartbeat import Heartbeat
from realm.staleness import is_fresh
from realm.world import World

LARGEST_STATUS_BYTES = 1024**2
OFFLINE = "the Task Master is not running"


@dataclass(frozen=True, kw_only=True)
class MasterStatus:
    """What the Task Master said last, and whether it lives."""

    alive: bool
    stale: bool
    """It lives and has said nothing for a while."""
    trouble: str
    pid: int | None
    time: float | None
    idle: dict[str, Any]
    """`limit_percent`, `cpu_percent_of_others`, `gpu_percents`, `battle_trains`."""
    running: list[dict[str, Any]]
    """`name`, `title`, `pid`, `started_at`, `resource`, `ending`."""
    next: dict[str, Any] | None
    """`name` and `due_at` of what is due next; None where nothing waits for its time."""


@dataclass(frozen=True, kw_only=True)
class TaskRow:
    task: Task
    command: str
    last: LastRun | None
    running: RunningMark | None
    runs: int
    failures: int
    due_at: float | None
    """When its cooldown is over, seconds since 1970; None where it may begin at any time."""
    why_not: str
    """Why it does not run now; empty where it runs or is about to."""


@dataclass(frozen=True, kw_only=True)
class Overview:
    master: MasterStatus
    tasks: tuple[TaskRow, ...]
    notes: tuple[str, ...]
    """Settings that no task has."""


def overview(world: World, config: RealmConfig, *, now: float | None = None) -> Overview:
    """Every task, the player's waiting runs first. Asks no host and measures nothing. Raises strict.BadConfig."""
    now = time.time() if now is None else now
    said = _read_status(world)
    master = _master_status(world, said, now)
    states = state.read(world)
    waits = (said.mapping("waits") or {}) if master.alive else {}
    down = health.down(world)
    rows = tuple(_row(task, states, waits, master, now, down) for task in all_tasks(world, config, states))
    listed = {row.task.name for row in rows}
    return Overview(master=master, tasks=rows, notes=(*_unused(config), *_resting(down, listed)))


def all_tasks(world: World, config: RealmConfig, states: AllStates) -> list[Task]:
    skills = [skill.name for skill in usable_skills(world)]
    return [*registry.player_runs(waiting_runs()), *realm_tasks(read_rules(config), states, skills)]


def own_name(name: str) -> str:
    """The task's name, where `name` may say an alias of its skill: `sparring_bin` for `sparring_binary`."""
    _, skill = kind_and_skill(name)
    return name.replace(f"_{skill}", f"_{name_of(skill)}", 1) if skill else name


def find_task(world: World, config: RealmConfig, name: str) -> Task | None:
    """None where there is no such task."""
    own = own_name(name)
    return next((task for task in all_tasks(world, config, state.read(world)) if task.name == own), None)


def available(
    world: World, config: RealmConfig, *, pause: Callable[[float], None] = time.sleep
) -> list[tuple[Task, Wait | None]]:
    """Every task with why it could not begin now, None for those that could; measures and asks for itself."""
    meter, states = LoadMeter(), state.read(world)
    own = [process for known in states.tasks.values() if (process := _process(known.running))]
    meter.look(time.time(), [psutil.Process(), *own])
    pause(1.0)
    now = time.time()
    view = View(
        world=world,
        config=config,
        rules=read_rules(config),
        load=meter.look(now, [psutil.Process(), *own]),
        arena=read_arena(world, now),
        hosts=Hosts(world, config),
        now=now,
    )
    return [(task, _why(task, states, view)) for task in all_tasks(world, config, states)]


def _why(task: Task, states: AllStates, view: View) -> Wait | None:
    wait = wait_of(task, states.of(task.name), view.now)
    if wait is None and _process(states.of(task.name).running):
        return Wait(why="it runs")
    if wait is None and children.is_taken(view.world, task.resource):
        return Wait(why=f"another task has the {task.resource}")
    if wait is None and (why := conditions.why_not(task.conditions, view)):
        return Wait(why=why)
    return wait


def _process(mark: RunningMark | None) -> psutil.Process | None:
    return children.find_process(mark.pid, mark.create_time, mark.identity) if mark else None


def _row(
    task: Task,
    states: AllStates,
    waits: dict[str, Any],
    master: MasterStatus,
    now: float,
    down: Mapping[str, Down],
) -> TaskRow:
    known = states.of(task.name)
    due_at = due(task, known, now)
    running = known.running if _process(known.running) else None
    wait = wait_of(task, known, now)
    why = wait.why if wait else waits.get(task.name, {}).get("why", "") or _doubt(task, down)
    return TaskRow(
        task=task,
        command=" ".join(["manage.py", shlex.join(task.argv[len(registry.MANAGE) :])]),
        last=known.last,
        running=running,
        runs=known.runs,
        failures=known.failures,
        due_at=due_at if due_at is not None and due_at > now else None,
        why_not="" if running else why if wait or master.alive else OFFLINE,
    )


def _doubt(task: Task, down: Mapping[str, Down]) -> str:
    """Why a task whose turn it is may come to nothing."""
    _, skill = kind_and_skill(task.name)
    if skill not in down:
        return ""
    return f"the trainer of {skill} was down when last tried: {down[skill].reason}"


def _resting(down: Mapping[str, Down], listed: Collection[str]) -> tuple[str, ...]:
    names = {skill: f"{registry.SPARRING_PREFIX}{skill}" for skill in down}
    return tuple(
        f"{name} is left out while the trainer of {skill} is down: {down[skill].reason}"
        for skill, name in names.items()
        if name not in listed
    )


def _unused(config: RealmConfig) -> tuple[str, ...]:
    known = {skill.name for skill in read_skills()}
    rules = read_rules(config)
    by_kind = {kind: getattr(rules, kind).skills for kind in ("sparring", "large_sparring", "generate")}
    return tuple(
        f"tasks: {kind}: skills: {name}: no skill of that name can be used"
        for kind, skills in by_kind.items()
        for name in sorted(set(skills) - known)
    )


def master_status(world: World) -> MasterStatus:
    return _master_status(world, _read_status(world), time.time())


def _master_status(world: World, said: Heartbeat, now: float) -> MasterStatus:
    alive = master_alive(world)
    return MasterStatus(
        alive=alive,
        stale=alive and not is_fresh(said.time, now),
        trouble=said.text("trouble") or "" if alive else OFFLINE,
        pid=said.pid if alive else None,
        time=said.time,
        idle=said.mapping("idle") or {},
        running=said.mappings("running") if alive else [],
        next=said.mapping("next") if alive else None,
    )


def _read_status(world: World) -> Heartbeat:
    try:
        return Heartbeat(mailbox.read_json(world.status / STATUS_FILE, largest_bytes=LARGEST_STATUS_BYTES))
    except (OSError, Damaged):
        return Heartbeat(None)
