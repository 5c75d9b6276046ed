"""Whether the guardian lives, and which services it has given up."""

from __future__ import annotations

import time
from collections.abc import Iterator

from realm.disk import mailbox
from realm.disk.mailbox import Damaged
from realm.heartbeat import Heartbeat
from realm.staleness import is_fresh
from realm.weaver import supervisord
from realm.weaver.services import services
from sentinels import vitals
from sentinels.inspector.finding import Finding, Patrolled, ok, trouble

HEARTBEAT = "guardian.json"
GUARDIAN = "guardian"
GAVE_UP = "gave_up"


def look(patrolled: Patrolled) -> Iterator[Finding]:
    """Nothing where no weaver runs: then nobody is to be watched."""
    world, now = patrolled.world, time.time()
    if not supervisord.is_alive(world) or GUARDIAN not in {service.name for service in services(patrolled.config)}:
        return
    try:
        heartbeat = Heartbeat(mailbox.read_json(world.status / HEARTBEAT))
    except (OSError, Damaged):
        heartbeat = Heartbeat({})
    if not is_fresh(heartbeat.time, now):
        sentence = vitals.silent("it", heartbeat.time, now)
        yield trouble(GUARDIAN, sentence, f"`manage.py weave --restart {GUARDIAN}`")
        return
    given_up = {name: state for name, state in _services(heartbeat) if state.get("state") == GAVE_UP}
    for name, state in given_up.items():
        remedy = f"`manage.py logs {name}` shows its last lines; then `manage.py weave --start {name}`"
        yield trouble(f"given up: {name}", str(state.get("message") or "it ended again and again"), remedy)
    if not given_up:
        yield ok(GUARDIAN, "it watches every service")


def _services(heartbeat: Heartbeat) -> Iterator[tuple[str, dict[str, object]]]:
    for name, state in (heartbeat.mapping("services") or {}).items():
        if isinstance(state, dict):
            yield name, state
