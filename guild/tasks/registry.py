"""Which background tasks there are. Each is a command of `manage.py` in a process of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from guild.models import Run
from guild.tasks.task_settings import CountRules, Rules, SkillCountRules, TaskRules
from realm.world import CHECKOUT

Resource = Literal["gpu", "cpu", "disk", "oracle", "patrol"]
RESOURCES: tuple[Resource, ...] = ("gpu", "cpu", "disk", "oracle", "patrol")
MANAGE = (sys.executable, str(CHECKOUT / "manage.py"))
PLAYERS_PRIORITY = 11
"""What the player asked for goes before all that the realm wants by itself."""
BY_ITSELF = "task master"
"""Who asks for a run that the realm wants by itself."""
RUN_SECONDS = 24 * 3600.0
RUN_PREFIX = "run-"
SPARRING_PREFIX, LARGE_SUFFIX, GENERATE_PREFIX = "sparring_", "_large", "generate_"
MINUTE, HOUR = 60.0, 3600.0


@dataclass(frozen=True, kw_only=True)
class Task:
    name: str
    title: str
    priority: int
    argv: tuple[str, ...]
    """Whole, the program first."""
    resource: Resource
    """Of the tasks that need the same one, only one runs at a time."""
    conditions: tuple[str, ...]
    """Names of guild.tasks.conditions.CONDITIONS; all must be met."""
    cooldown_seconds: float
    timeout_seconds: float
    enabled: bool = True

    @property
    def run_id(self) -> int | None:
        """Of the player's run that it performs; None for the realm's own tasks."""
        number = self.name.removeprefix(RUN_PREFIX)
        return int(number) if number != self.name else None


def _manage(*words: str) -> tuple[str, ...]:
    return (*MANAGE, *words)


_SPARRING_CONDITIONS = ("playing", "checkpoint", "oracle")
_SPARRING = Task(
    name="sparring",
    title="Sparring",
    priority=9,
    argv=(),
    resource="oracle",
    conditions=_SPARRING_CONDITIONS,
    cooldown_seconds=30 * MINUTE,
    timeout_seconds=HOUR,
)
SPARRING_COUNT, LARGE_COUNT = 100, 500
_GENERATE = Task(
    name="generate",
    title="Forge training data",
    priority=6,
    argv=(),
    resource="cpu",
    conditions=("playing", "idle"),
    cooldown_seconds=2 * HOUR,
    timeout_seconds=30 * MINUTE,
    enabled=False,
)
"""Switched off as shipped: auto-play forges whenever the queue is empty."""
LEAST_RIGHT = 0.5
"""A small hero gained by sparring at 60% right and lost won levels by sparring at 0%; nothing between was measured."""

FIXED: tuple[Task, ...] = (
    Task(
        name="process_eval_queue",
        title="Evaluate waiting checkpoints",
        priority=10,
        argv=_manage("evaluate", "--once"),
        resource="oracle",
        conditions=("evaluations_wait", "evaluator"),
        cooldown_seconds=MINUTE,
        timeout_seconds=30 * MINUTE,
    ),
    Task(
        name="make_sets",
        title="Prepare evaluation and validation sets",
        priority=6,
        argv=_manage("make_sets"),
        resource="cpu",
        conditions=("sets_missing", "idle"),
        cooldown_seconds=2 * MINUTE,
        timeout_seconds=30 * MINUTE,
    ),
    Task(
        name="health_check",
        title="Check the realm's health",
        priority=4,
        argv=_manage("patrol"),
        resource="patrol",  # it waits for nobody: what is wrong may be what has another one's resource
        conditions=(),
        cooldown_seconds=10 * MINUTE,
        timeout_seconds=2 * MINUTE,
    ),
    Task(
        name="validate_queue",
        title="Check that waiting quests are unchanged",
        priority=4,
        argv=_manage("validate_queue"),
        resource="disk",
        conditions=("queue_filled",),
        cooldown_seconds=30 * MINUTE,
        timeout_seconds=20 * MINUTE,
    ),
    Task(
        name="checkpoint_cleanup",
        title="Delete checkpoints that must make room",
        priority=3,
        argv=_manage("checkpoint_cleanup"),
        resource="disk",
        conditions=("checkpoint",),
        cooldown_seconds=2 * HOUR,
        timeout_seconds=20 * MINUTE,
    ),
    Task(
        name="vault_scan",
        title="Bring the list of checkpoints into line with the disk",
        priority=3,
        argv=_manage("vault", "scan"),
        resource="disk",
        conditions=("checkpoint",),
        cooldown_seconds=2 * HOUR,
        timeout_seconds=20 * MINUTE,
    ),
    Task(
        name="vault_copies",
        title="Make the copies of checkpoints that are missing",
        priority=3,
        argv=_manage("vault", "copies", "--apply"),
        resource="disk",
        conditions=("checkpoint", "strongholds"),
        cooldown_seconds=HOUR,
        timeout_seconds=4 * HOUR,
    ),
    Task(
        name="daily_snapshot",
        title="Copy the world into backups/ once a day",
        priority=3,
        argv=_manage("vault", "snapshot", "--reason", "daily", "--once-a-day"),
        resource="disk",
        conditions=("checkpoint",),
        cooldown_seconds=6 * HOUR,
        timeout_seconds=8 * HOUR,
    ),
    Task(
        name="model_warmup",
        title="Load the newest checkpoint into the oracle",
        priority=2,
        argv=_manage("warmup"),
        resource="oracle",
        conditions=("checkpoint", "oracle"),
        cooldown_seconds=10 * MINUTE,
        timeout_seconds=15 * MINUTE,
    ),
    Task(
        name="lineage_report",
        title="Write down the lineage of all checkpoints",
        priority=2,
        argv=_manage("lineage"),
        resource="disk",
        conditions=("checkpoint",),
        cooldown_seconds=HOUR,
        timeout_seconds=5 * MINUTE,
    ),
)


def list_tasks(rules: Rules, skills: Iterable[str]) -> tuple[Task, ...]:
    """The realm's own tasks, the highest priority first; `skills` are those that can be used."""
    own = [_ruled(task, getattr(rules, task.name)) for task in FIXED]
    of_skills = [make(rules, skill) for skill in skills for make in (_sparring, _large_sparring, _generate)]
    return tuple(sorted([*own, *of_skills], key=lambda task: (-task.priority, task.name)))


def _sparring(rules: Rules, skill: str) -> Task:
    task = replace(_SPARRING, name=f"{SPARRING_PREFIX}{skill}", title=f"Sparring in {skill.upper()}")
    task, count = _ruled_by_skill(task, rules.sparring, skill)
    return replace(task, argv=_spar(skill, count or SPARRING_COUNT))


def _large_sparring(rules: Rules, skill: str) -> Task:
    task = replace(
        _SPARRING,
        name=f"{SPARRING_PREFIX}{skill}{LARGE_SUFFIX}",
        title=f"Large sparring in {skill.upper()}",
        priority=8,
        cooldown_seconds=6 * HOUR,
        timeout_seconds=4 * HOUR,
    )
    task, count = _ruled_by_skill(task, rules.large_sparring, skill)
    return replace(task, argv=_spar(skill, count or LARGE_COUNT))


def _generate(rules: Rules, skill: str) -> Task:
    task = replace(_GENERATE, name=f"{GENERATE_PREFIX}{skill}", title=f"Forge training data of {skill.upper()}")
    task, count = _ruled_by_skill(task, rules.generate, skill)
    return replace(task, argv=_manage("forge", "--skill", skill, *(("--count", str(count)) if count else ())))


def _ruled_by_skill(task: Task, rules: SkillCountRules, skill: str) -> tuple[Task, int | None]:
    """The task with what the player set of all skills, and over it of this one; and how many problems."""
    own = rules.skills.get(skill, CountRules())
    return _ruled(_ruled(task, rules), own), own.count or rules.count


def _spar(skill: str, count: int) -> tuple[str, ...]:
    return _manage("spar", "--skill", skill, "--count", str(count), "--least-right", str(LEAST_RIGHT))


def _ruled(task: Task, rules: TaskRules) -> Task:
    """With what the player set."""
    keys = ("enabled", "priority", "cooldown_seconds", "timeout_seconds")
    said = {key: value for key in keys if (value := getattr(rules, key)) is not None}
    if rules.beside_battle is not None:
        said["conditions"] = _conditions(task, beside_battle=rules.beside_battle)
    return replace(task, **said)


_NEEDS_QUIET = {"oracle": "oracle_answers", "evaluator": "evaluator_answers", "idle": "always"}
"""Conditions that want an idle machine, and what is left of each where the player does not."""


def _conditions(task: Task, *, beside_battle: bool) -> tuple[str, ...]:
    words = _NEEDS_QUIET if beside_battle else {less: whole for whole, less in _NEEDS_QUIET.items()}
    return tuple(words.get(name, name) for name in task.conditions)


def player_runs(rows: Iterable[Run]) -> tuple[Task, ...]:
    """Tasks that perform waiting runs of the player; they wait for no idleness."""
    return tuple(_player_run(row) for row in rows)


_OWN_PRIORITIES = {Run.Kind.SPARRING: _SPARRING.priority, Run.Kind.FORGE: _GENERATE.priority, Run.Kind.TRIAL: 0}


def _player_run(row: Run) -> Task:
    return Task(
        name=f"{RUN_PREFIX}{row.pk}",
        title=row.title,
        priority=_OWN_PRIORITIES[Run.Kind(row.kind)] if row.created_by == BY_ITSELF else PLAYERS_PRIORITY,
        argv=_manage("perform", str(row.pk)),
        resource="cpu" if row.kind == Run.Kind.FORGE else "oracle",
        conditions=(),
        cooldown_seconds=0.0,
        timeout_seconds=RUN_SECONDS,
    )
