"""Whether a host evaluates: asked in a thread, because a host that is down takes seconds to say so."""

from __future__ import annotations

import logging
import threading

from guild.evaluation.queue import evaluating_hosts
from realm.hosts import Host
from realm.oracle.errors import HostTrouble
from realm.strict import BadConfig
from realm.world import World

log = logging.getLogger(__name__)

LOOK_SECONDS = 10.0


class HostWatch:
    def __init__(self, world: World) -> None:
        self._world = world
        self._leaving = threading.Event()
        self.answers = False
        """Whether at the last look a host that evaluates was there."""

    def open(self) -> None:
        threading.Thread(target=self._watch, name="hosts", daemon=True).start()

    def close(self) -> None:
        self._leaving.set()

    def _watch(self) -> None:
        self.look()
        while not self._leaving.wait(LOOK_SECONDS):
            self.look()

    def look(self) -> None:
        try:
            hosts = evaluating_hosts(self._world)
        except BadConfig as error:  # the pages tell it
            log.warning("hosts: %s", error)
            hosts = []
        self.answers = any(map(_is_there, hosts))


def _is_there(host: Host) -> bool:
    from realm.oracle.sync_client import OracleClient  # slow to import, and most worlds have no such host

    try:
        with OracleClient(host) as client:
            client.health()
    except HostTrouble as trouble:
        log.info("%s does not evaluate now: %s", host.id, trouble)
        return False
    return True
