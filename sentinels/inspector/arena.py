"""Whether the arena lives, speaks, and has nothing to complain of."""

from __future__ import annotations

import time
from collections.abc import Iterator

from arena import status as arena_status
from realm.staleness import is_fresh
from sentinels import vitals
from sentinels.inspector.finding import Finding, Patrolled, ok, trouble, warning


def look(patrolled: Patrolled) -> Iterator[Finding]:
    status, now = arena_status.read_status(patrolled.world), time.time()
    sentence = vitals.of_arena(status, now)
    if not (status.alive and is_fresh(status.time, now)):
        lives = "`manage.py weave --restart arena`" if status.alive else "`scripts/start_all.sh` starts it"
        yield trouble("arena", sentence, lives)
    elif sentence:
        yield warning("arena", f"{status.state}: {sentence}", "`manage.py logs arena` says more")
    else:
        yield ok("arena", status.state)
