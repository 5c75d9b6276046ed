"""An inference host for as long as a command needs one: the one that runs, or one of its own."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.core.management.base import CommandError

from realm.config import RealmConfig
from realm.hosts import Host, UnknownHost, read_hosts
from realm.oracle.sync_client import HostDown, HostTrouble, OracleClient
from realm.processes.child import ChildProcess
from realm.processes.log import ChildLog
from realm.strict import BadConfig
from realm.world import World

START_SECONDS = 120.0
GRACE_SECONDS = 10.0
_LOOK_SECONDS = 0.2


@contextmanager
def answering(world: World, config: RealmConfig, name: str | None, say: Callable[[str], None]) -> Iterator[Host]:
    """The host of that name, or the default one, which answers; where it is this machine's own and down, it is started
    for this time. Raises CommandError."""
    try:
        host = read_hosts(world, oracle_port=config.oracle_port).find_inference(name)
        why = _why_down(host)
    except (UnknownHost, BadConfig, HostTrouble) as error:
        raise CommandError(str(error)) from error
    if not why:
        yield host
        return
    if not (host.here and host.is_realm):
        raise CommandError(why)
    say("No oracle runs here: the models are loaded for this command alone.")
    log = ChildLog(world.logs / "oracle" / "oracle.log")
    environment = {**os.environ, "REALM_HOME": str(world.home)}
    command = (sys.executable, "-m", "arena.oracle", "--port", str(config.oracle_port), "--held")
    child = ChildProcess.logged(command, log, env=environment, is_held=True)
    try:
        _wait_for(host, child, log)
        yield host
    finally:
        child.terminate()
        child.wait_or_kill(GRACE_SECONDS)
        child.hang_up()


def _why_down(host: Host) -> str:
    """Empty where it answers. Raises HostTrouble for one that answers nonsense."""
    try:
        with OracleClient(host) as client:
            client.health()
    except HostDown as down:
        return str(down)
    return ""


def _wait_for(host: Host, child: ChildProcess, log: ChildLog) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        if not child.alive:
            raise CommandError(f"the oracle did not start: {log.last_lines(1)}")
        try:
            if not _why_down(host):
                return
        except HostTrouble as error:
            raise CommandError(str(error)) from error
        if time.monotonic() > deadline:
            raise CommandError(f"the oracle did not answer within {START_SECONDS:.0f} s: {log.last_lines(1)}")
        time.sleep(_LOOK_SECONDS)
