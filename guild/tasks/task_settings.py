"""What a player may set of the background tasks: the keys under `tasks` in the settings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Annotated, Any

from realm import config_edit, strict
from realm.config import RealmConfig
from realm.strict import BadConfig, Range
from realm.world import World

LONGEST_SECONDS = 30 * 24 * 3600
MOST_PROBLEMS = 10_000
OF_SKILLS = ("sparring_SKILL", "sparring_SKILL_large", "generate_SKILL")
"""Names of the tasks that each skill has."""
_OF_SKILLS = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        ("large_sparring", r"sparring_([a-z][a-z0-9]*)_large"),
        ("sparring", r"sparring_([a-z][a-z0-9]*)"),
        ("generate", r"generate_([a-z][a-z0-9]*)"),
    )
)
Seconds = Annotated[float, Range(1, LONGEST_SECONDS)]


@dataclass(frozen=True, kw_only=True)
class TaskRules:
    """None: as guild.tasks.registry has it."""

    enabled: bool | None = None
    """Whether the Task Master does it by itself."""
    priority: Annotated[int, Range(0, 10)] | None = None
    """The higher one goes first."""
    cooldown_seconds: Seconds | None = None
    """From the end of one run to the next."""
    timeout_seconds: Seconds | None = None
    """A run that takes longer is ended."""
    beside_battle: bool | None = None
    """Whether it may begin though the machine is busy with a battle, which it will slow down."""

    def __post_init__(self) -> None:
        strict.check_ranges(self)


@dataclass(frozen=True, kw_only=True)
class CountRules(TaskRules):
    count: Annotated[int, Range(1, MOST_PROBLEMS)] | None = None
    """Problems in one sparring, rows of one forged quest."""


@dataclass(frozen=True, kw_only=True)
class SkillCountRules(CountRules):
    skills: dict[str, CountRules] = field(default_factory=dict)
    """By skill; what is not said there is as for all skills."""


@dataclass(frozen=True, kw_only=True)
class Rules:
    idle_percent: Annotated[int, Range(1, 100)] = 40
    """A device counts as idle while its use by others is below this."""
    process_eval_queue: TaskRules = field(default_factory=TaskRules)
    sparring: SkillCountRules = field(default_factory=SkillCountRules)
    large_sparring: SkillCountRules = field(default_factory=SkillCountRules)
    generate: SkillCountRules = field(default_factory=SkillCountRules)
    make_sets: TaskRules = field(default_factory=TaskRules)
    health_check: TaskRules = field(default_factory=TaskRules)
    validate_queue: TaskRules = field(default_factory=TaskRules)
    checkpoint_cleanup: TaskRules = field(default_factory=TaskRules)
    vault_scan: TaskRules = field(default_factory=TaskRules)
    vault_copies: TaskRules = field(default_factory=TaskRules)
    daily_snapshot: TaskRules = field(default_factory=TaskRules)
    model_warmup: TaskRules = field(default_factory=TaskRules)
    lineage_report: TaskRules = field(default_factory=TaskRules)

    def __post_init__(self) -> None:
        strict.check_ranges(self)


def read_rules(config: RealmConfig, *, source: str = "tasks") -> Rules:
    """Raises strict.BadConfig for rules that cannot be."""
    return strict.read(Rules, config.tasks, source=source)


def save_tasks(world: World, changes: Mapping[str, Mapping[str, Any]]) -> None:
    """Put keys of tasks, by their names, into the world's `config.yaml`; `""` names what concerns all of them.

    `{"sparring_bin": {"count": 50}, "": {"idle_percent": 30}}`. Raises strict.BadConfig, and then nothing is changed.
    """
    values = {(*path_of(name), key): value for name, keys in changes.items() for key, value in keys.items()}
    config_edit.change(world, values, check=lambda settings: _check_settings(world, settings))


def kind_and_skill(name: str) -> tuple[str, str]:
    """The key of a task under `tasks`, and its skill, empty where it has none: `sparring`, `bin` of `sparring_bin`."""
    found = ((kind, pattern.fullmatch(name)) for kind, pattern in _OF_SKILLS)
    return next(((kind, match[1]) for kind, match in found if match), (name, ""))


def path_of(name: str) -> tuple[str, ...]:
    """Where a task's keys stand in the settings; `sparring`, `large_sparring` and `generate` are for all skills."""
    if not name:
        return ("tasks",)
    kind, skill = kind_and_skill(name)
    if kind not in {entry.name for entry in fields(Rules)} or kind == "idle_percent":
        names = (entry.name for entry in fields(Rules) if entry.name != "idle_percent")
        raise BadConfig(f"tasks: {strict.unknown_key(name, [*names, *OF_SKILLS])}")
    return ("tasks", kind, "skills", skill) if skill else ("tasks", kind)


def _check_settings(world: World, settings: dict[str, Any]) -> None:
    strict.read(Rules, settings.get("tasks") or {}, source=f"{world.home / 'config.yaml'}: tasks")
