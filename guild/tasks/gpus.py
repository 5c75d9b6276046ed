"""Which tasks need the GPU of which machine: those that ask its inference host."""

from __future__ import annotations

import re
from collections.abc import Sequence

from guild.errors import GuildError
from guild.tasks.registry import Task
from realm import hosts, strict
from realm.config import RealmConfig
from realm.hosts import Host
from realm.world import World

NONE = "none"


def needing(world: World, config: RealmConfig, tasks: Sequence[Task], gpu: str) -> list[str]:
    """Names of the tasks that need the machine of that id or name, or with that GPU in its `device`.

    `none` means those that need no GPU. Raises GuildError for an unknown one, and strict.BadConfig.
    """
    if gpu == NONE:
        return [task.name for task in tasks if task.resource not in ("oracle", "gpu")]
    registry = hosts.read_hosts(world, oracle_port=config.oracle_port)
    meant = [host for host in registry.machines if _is_called(host, gpu)]
    if not meant:
        known = ", ".join([*(host.id for host in registry.machines), NONE])
        raise GuildError(f"There is no GPU {strict.shown(gpu)}; a host or the name in its device is expected: {known}")
    return [task.name for task in tasks if any(_asks(task, host, registry.default) for host in meant)]


def _is_called(host: Host, gpu: str) -> bool:
    words = re.findall(r"\w+", host.device.lower())
    return gpu in (host.id, host.name) or gpu.lower() in words


def _asks(task: Task, host: Host, default: str | None) -> bool:
    if task.resource != "oracle":
        return False
    if {"evaluator", "evaluator_answers"} & set(task.conditions):
        return host.evaluates
    return host.id == default
