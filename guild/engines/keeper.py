"""Keeps one engine serving the checkpoint that is wished for, until it is told to end.

The wish stands in the host's entry, and over it in `control/engines/HOST.json`, which the Tavern leaves there. Another
checkpoint is served by a new engine: the former one is ended first, since both would want the port and the memory.
"""

from __future__ import annotations

import json
import logging
import subprocess
import threading
import time
import urllib.request
from pathlib import Path

from guild.engines import commands, making
from guild.errors import GuildError
from realm.checkpoints.derived import Derived
from realm.disk import durable
from realm.hosts import Host
from realm.oracle.served import Served
from realm.processes import notify
from realm.processes.child import ChildProcess
from realm.world import World

log = logging.getLogger(__name__)

FOLLOW_SECONDS = 60.0
"""How soon a newer checkpoint, or another champion, is served; each time costs an export and a start."""
LOOK_SECONDS = 0.5
WAIT_SECONDS = 2.0
GRACE_SECONDS = 8.0
_ANSWER_SECONDS = 5.0


class EngineEnded(Exception):
    """One sentence: the engine ended by itself."""


class Keeper:
    def __init__(self, world: World, host: Host, hero: str, ending: threading.Event) -> None:
        assert host.start is not None
        assert host.wish_file is not None
        self._world, self._host, self._hero, self._ending = world, host, hero, ending
        self._start, self._wish_file = host.start, host.wish_file
        self._looked_at, self._looked_for, self._told = 0.0, "", ""

    def run(self) -> None:
        """Raises EngineEnded, OSError. It waits while its entry's checkpoint cannot be served, as before the first."""
        with Served(self._world, commands.port_of(self._host)) as served:
            while not self._ending.is_set():
                wish = self._wish()
                try:
                    checkpoint = making.meant(self._world, self._hero, wish)
                    told, made = making.made_of(self._world, self._host, checkpoint, self._ending)
                except GuildError as error:
                    if self._ending.is_set():
                        return
                    self._refuse(str(error)) if wish != self._start.checkpoint else self._wait(str(error))
                    continue
                served.tell([told.id])
                self._looked_at, self._looked_for = time.monotonic(), wish
                self._serve(checkpoint, told, made)

    def _serve(self, checkpoint: Path, told: Derived, made: Path) -> None:
        """Until it is told to end, or another checkpoint is wished for."""
        child = ChildProcess(commands.held(commands.of(self._host, self._start, told.id, made)), stdin=subprocess.PIPE)
        log.info("%s starts with %s, weights %s", self._host.id, told.id, told.sha256[:12])
        making.sweep(self._world, self._host, made)
        is_up = False
        try:
            while not self._ending.wait(LOOK_SECONDS):
                if not child.alive:
                    raise EngineEnded(f"{self._host.id} ended by itself (status {child.exit_code}); its log says why")
                if (answers := _answers(self._host)) or not is_up:
                    notify.beat()
                is_up = is_up or answers
                if self._another_is_meant(checkpoint):
                    return
        finally:
            child.terminate()
            child.wait_or_kill(GRACE_SECONDS)
            child.reap()

    def _wait(self, why: str) -> None:
        if why != self._told:
            log.warning("%s waits: %s", self._host.id, why)
        self._told = why
        notify.beat()
        self._ending.wait(WAIT_SECONDS)

    def _another_is_meant(self, checkpoint: Path) -> bool:
        now = self._wish()
        if now == self._looked_for and time.monotonic() - self._looked_at < FOLLOW_SECONDS:
            return False
        self._looked_at, self._looked_for = time.monotonic(), now
        try:
            return making.meant(self._world, self._hero, now) != checkpoint
        except GuildError as error:
            if now != self._start.checkpoint:
                self._refuse(str(error))
            return False

    def _wish(self) -> str:
        try:
            told = json.loads(self._wish_file.read_bytes())
        except (OSError, ValueError):
            return self._start.checkpoint
        wished = told.get("checkpoint") if isinstance(told, dict) and not told.get("refused") else None
        return wished if isinstance(wished, str) and wished else self._start.checkpoint

    def _refuse(self, why: str) -> None:
        """Told where it was wished; then the checkpoint of the entry is served."""
        log.warning("%s: %s", self._host.id, why)
        try:
            told = json.loads(self._wish_file.read_bytes())
        except (OSError, ValueError):
            return
        durable.write_json(self._wish_file, {**told, "refused": why}, sync=False)


_DIRECTLY = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Whatever proxy the environment names: the engine is on this machine."""


def _answers(host: Host) -> bool:
    try:
        with _DIRECTLY.open(f"{host.url}/health", timeout=_ANSWER_SECONDS) as reply:
            return bool(reply.status == 200)
    except (OSError, ValueError):
        return False
