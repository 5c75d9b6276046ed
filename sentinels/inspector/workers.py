"""Workers that died, and jobs that nobody works on any more."""

from __future__ import annotations

from collections.abc import Iterator

from guild.workers import roster
from guild.workers.jobs import TODO
from guild.workers.roster import Seen
from sentinels.inspector.finding import Finding, Patrolled, ok, warning

START = "start it again on {host}: `manage.py worker --resources {resources} --host {host}`"


def look(patrolled: Patrolled) -> Iterator[Finding]:
    """Nothing where there can be no workers, or never was one."""
    seen = roster.look()
    dead = [worker for worker in seen.workers if not worker.alive]
    yield from map(_died, dead)
    for job in (job for job in seen.stray if job.state == TODO or job.stalled):
        yield warning(f"job {job.id}", f"{job.act} waits in the queue {job.queue}, which no worker serves")
    if seen.workers and not dead:
        yield ok("workers", f"{len(seen.workers)} at work")


def _died(worker: Seen) -> Finding:
    stalled = [job.act for job in worker.jobs if job.stalled]
    left = f" and left {', '.join(stalled)}, which the Task Master gives to another" if stalled else ""
    remedy = START.format(host=worker.host, resources=" ".join(worker.resources))
    return warning(worker.name, f"it was last heard {worker.silent_seconds:.0f} s ago{left}", remedy)
