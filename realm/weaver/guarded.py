"""What the guardian says of each service, in `status/guardian.json`."""

from __future__ import annotations

import time
from dataclasses import dataclass

from realm.disk import mailbox
from realm.heartbeat import Heartbeat
from realm.staleness import is_fresh
from realm.world import World

STATUS_FILE = "guardian.json"
UP, STARTING, STUCK, ENDED, GAVE_UP, STOPPED = "up", "starting", "stuck", "ended", "gave_up", "stopped"


@dataclass(frozen=True, kw_only=True)
class Guarded:
    state: str
    """UP: it does its work. STARTING: it has not said so yet. STUCK: it lives and does not. ENDED: it is to be started.
    GAVE_UP: it died too often. STOPPED: by the player."""
    pid: int | None
    restarts: int
    message: str


def read(world: World) -> dict[str, Guarded]:
    """By service; empty where no guardian spoke within the last seconds."""
    try:
        said = Heartbeat(mailbox.read_json(world.status / STATUS_FILE))
    except (OSError, mailbox.Damaged):
        return {}
    if not is_fresh(said.time, time.time()):
        return {}
    told = {name: Heartbeat(one) for name, one in (said.mapping("services") or {}).items()}
    return {name: _guarded(one) for name, one in told.items()}


def _guarded(one: Heartbeat) -> Guarded:
    restarts = one.number("restarts")
    return Guarded(
        state=one.text("state") or "", pid=one.pid, restarts=int(restarts or 0), message=one.text("message") or ""
    )
