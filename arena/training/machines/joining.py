"""On any other machine: joins whichever battle the first one fights, and trains in it as long as that one wants it."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import Any

from arena.training.machines.ties import Broken, Tie, tied
from realm.processes.launcher import without_launcher
from realm.world import CHECKOUT, World

log = logging.getLogger("arena.training")

CONNECT_SECONDS = 5.0
AGAIN_SECONDS = 2.0
LAUNCH = (sys.executable, "-m", "arena.training.launch")


class Refused(Exception):
    """The first machine does not want this one, and says why."""


class Node:
    """This machine, under `name`, for the battles of the one at `address`."""

    def __init__(
        self, world: World, address: tuple[str, int], name: str, *, key: bytes, alike: Mapping[str, str]
    ) -> None:
        self._world, self._address, self._name, self._key, self._alike = world, address, name, key, alike
        self.over = threading.Event()
        """Set by who wants this to end."""
        self._said = ""

    def serve(self) -> None:
        """Until `over`. What keeps it from joining is told once, and tried again."""
        while not self.over.is_set():
            try:
                self._fight()
            except (OSError, Broken, Refused) as error:
                self._tell(f"{self._name} has not joined {self._address[0]}: {error}")
            self.over.wait(AGAIN_SECONDS)

    def _fight(self) -> None:
        """One battle's group, or several that follow each other in it. Raises OSError, Broken, Refused."""
        with socket.create_connection(self._address, timeout=CONNECT_SECONDS) as sock:
            own_address = sock.getsockname()[0]
            tie = tied(sock, self._key, asks_first=False)
        try:
            tie.say(name=self._name, alike=dict(self._alike))
            if refusal := tie.hear().get("refused"):
                raise Refused(str(refusal))
            self._tell(f"{self._name} has joined {self._address[0]} and waits for a battle")
            begun, word = threading.Event(), dict[str, Any]()

            def on_word(said: dict[str, Any]) -> None:
                word.update(said)
                begun.set()

            tie.keep(on_word)
            while not begun.wait(1.0):
                if self.over.is_set() or tie.silence():
                    return
            self._train(tie, word, own_address)
        finally:
            tie.close()

    def _train(self, tie: Tie, word: Mapping[str, Any], own_address: str) -> None:
        """Start this machine's ranks, and end them at once when the first machine is gone: they would wait for it."""
        command = (
            *LAUNCH, "--processes", str(int(word["processes"])), "--strategy", str(word["strategy"]),
            "--node-rank", str(int(word["node_rank"])), "--nodes-in-all", str(int(word["nodes"])),
            "--parent", str(os.getpid()),
            "--store", f"{self._address[0]},{int(word['port'])}", "--own-address", own_address,
        )  # fmt: skip
        environment = without_launcher(os.environ) | {"REALM_HOME": str(self._world.home)}
        self._tell(f"{self._name} trains with {self._address[0]}")
        with subprocess.Popen(
            command, cwd=CHECKOUT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        ) as launcher:
            try:
                while launcher.poll() is None:
                    if self.over.wait(1.0) or (why := tie.silence()):
                        if not self.over.is_set():
                            self._tell(f"the machine {self._address[0]} {why}; its battle goes on when it is back")
                        break
                else:
                    if code := launcher.returncode:
                        tie.say(failed=_how(code), code=code)
            finally:
                launcher.kill()  # and its ranks with it, by the kernel's hand

    def _tell(self, sentence: str) -> None:
        if sentence != self._said:
            self._said = sentence
            log.info("%s", sentence)


def _how(code: int) -> str:
    return f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
