"""What the world's files tell, with or without a database: the battle that is fought, and the services."""

from __future__ import annotations

import time
from collections.abc import Iterator

from prometheus_client.metrics_core import Metric

from arena import status as arena_status
from arena import steps
from guild.tasks.only_master import master_alive
from realm.config import RealmConfig
from realm.staleness import is_fresh
from realm.weaver import supervisord
from realm.weaver.services import ARENA, TASKMASTER, VAULT
from realm.weaver.supervisord import Loom, ServiceState
from realm.world import World
from vault.jobs import status as vault_status
from watchtower.machines import energy_meter
from watchtower.prometheus.families import by_label, gauge

STATES = ("training", "preparing", "paused", "resting", "idle", "offline")
_TAIL = 2048
_LOOM_SECONDS = 0.5


def training(world: World, config: RealmConfig) -> Iterator[Metric]:
    """Of the battle that the arena spoke of last."""
    arena = arena_status.read_status(world)
    age = None if arena.time is None or not arena.alive else max(0.0, time.time() - arena.time)
    states = {state: float(state == arena.state) for state in STATES}
    yield by_label("realm_arena_state", "1 for what the arena does now, 0 for all else.", "state", states)
    yield gauge("realm_arena_heartbeat_age_seconds", "Since the arena's daemon spoke last.", age)
    path = steps.path_of(world, arena.battle) if arena.battle else None
    count = steps.count(path) if path else 0
    tail = steps.read(path, max(0, count - _TAIL), count) if path else steps.NO_RECORDS
    last = tail[-1] if len(tail) else None
    rates = steps.rates(tail) if arena.state == "training" else steps.Rates(None, None)
    yield gauge("realm_battle_steps", "Steps done of the quest that is fought.", last and last["quest_step"])
    yield gauge("realm_training_step", "Number of the last training step in the hero's life.", last and last["step"])
    yield gauge("realm_training_loss", "Train loss of the last step.", last and last["loss"])
    yield gauge("realm_training_loss_smoothed", "Moving average of the train loss.", steps.ema(tail["loss"]))
    yield gauge("realm_training_learning_rate", "Of the last step.", last and last["learning_rate"])
    yield gauge("realm_training_gradient_norm", "Of the last step, before clipping.", last and last["grad_norm"])
    yield gauge("realm_training_step_seconds", "How long the last step took.", last and last["step_seconds"])
    yield gauge("realm_training_memory_bytes", "That training holds at its peak.", last and last["memory_bytes"])
    yield gauge("realm_training_tokens_per_second", "Tokens without padding; none at rest.", rates.tokens_per_second)
    yield gauge("realm_training_steps_per_second", "Optimizer steps; none at rest.", rates.steps_per_second)
    joules = energy_meter.joules(world.battles / arena.battle) if arena.battle else None
    yield gauge("realm_battle_energy_joules", "Measured energy of the quest that is fought.", joules)


def services(world: World, config: RealmConfig) -> Iterator[Metric]:
    """By the weaver where one runs, else by the heartbeats of those that have one."""
    states = _states(world)
    up: dict[str, float | None] = {name: float(state.runs) for name, state in states.items()}
    uptimes = {name: state.uptime_seconds for name, state in states.items()}
    arena = arena_status.read_status(world)
    beats = {
        ARENA: arena.alive and is_fresh(arena.time, time.time()),
        VAULT: vault_status.read(world).fresh,
        TASKMASTER: master_alive(world),
    }
    up |= {name: float(beats and up.get(name, 1.0) == 1.0) for name, beats in beats.items()}
    yield by_label(
        "realm_service_up", "1 where the service runs and, having a heartbeat, is not silent.", "service", up
    )
    yield by_label(
        "realm_service_uptime_seconds", "Since the weaver started it.", "service",
        {name: None if seconds is None else float(seconds) for name, seconds in uptimes.items()},
    )  # fmt: skip


def _states(world: World) -> dict[str, ServiceState]:
    if not supervisord.is_alive(world):
        return {}
    try:
        return Loom(world, seconds=_LOOM_SECONDS).states()
    except Exception:  # whatever a process that is stuck answers over XML-RPC
        return {}
