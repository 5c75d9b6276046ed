"""Whether every inference host answers."""

from __future__ import annotations

from collections.abc import Iterator

from realm import hosts
from realm.health import HEALTHY
from realm.hosts import Host
from realm.oracle.sync_client import HostTrouble, OracleClient
from realm.strict import BadConfig
from sentinels.inspector.finding import Finding, Patrolled, ok, warning

HOST_SECONDS = 5.0


def look(patrolled: Patrolled) -> Iterator[Finding]:
    """What is wrong with the file itself is a matter of the configuration."""
    try:
        known = hosts.read_hosts(patrolled.world, oracle_port=patrolled.config.oracle_port)
    except BadConfig:
        return
    for host in known.hosts:
        yield _host(host)


def _host(host: Host) -> Finding:
    what = f"host {host.id}"
    try:
        with OracleClient(host, timeout_seconds=HOST_SECONDS) as oracle:
            answer = oracle.health()
    except HostTrouble as error:
        here = "`manage.py weave --restart oracle`"
        there = f"see that the inference host at {host.url} runs, or take {host.id} out of hosts.yaml"
        return warning(what, str(error), here if host.here else there)
    return ok(what, str(answer.get("status", HEALTHY)))
