"""On the machine whose daemon fights the battle: waits for the machines that its recipe names, and watches them."""

from __future__ import annotations

import contextlib
import logging
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from arena.training.machines.alike import difference
from arena.training.machines.ties import Broken, Tie, tied

log = logging.getLogger("arena.training")

_LOOK_SECONDS = 1.0


@dataclass(kw_only=True)
class Meeting:
    """Of this machine with others, each under the name that the recipe has for it."""

    ties: dict[str, Tie] = field(default_factory=dict)
    failed: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What machines said whose own ranks failed: in words, and the exit code."""

    @classmethod
    def of(
        cls,
        address: tuple[str, int],
        names: Sequence[str],
        *,
        key: bytes,
        alike: Mapping[str, str],
        waits_for: Callable[[str], None],
        is_over: Callable[[], bool],
    ) -> Self | None:
        """Once all have joined; None where `is_over` says that nobody wants it. Raises OSError for an address that is
        not this machine's.

        `waits_for` hears again and again in words what is waited for, at last the empty text.
        """
        meeting = cls()
        with socket.create_server(address) as server:
            server.settimeout(_LOOK_SECONDS)
            while missing := [name for name in names if name not in meeting.ties]:
                if is_over():
                    return None
                waits_for(_waiting(missing, address))
                try:
                    sock, who = server.accept()
                except TimeoutError:
                    meeting._forget_lost()
                    continue
                meeting._welcome(sock, who[0], key, alike, names)
        waits_for("")
        return meeting

    def _welcome(
        self, sock: socket.socket, address: str, key: bytes, alike: Mapping[str, str], names: Sequence[str]
    ) -> None:
        """Whoever is no machine of ours is told so, where it can be told."""
        tie = None
        try:
            tie = tied(sock, key, asks_first=True)
            passport = tie.hear()
            name = str(passport.get("name"))
            if refusal := self._refusal(name, passport, alike, names):
                tie.say(refused=refusal)
                raise Broken(refusal)
            tie.say(joined=True)
        except Broken as error:
            log.warning("%s wanted to join and was refused: it %s", address, error)
            if tie:
                tie.close()
            return
        tie.keep(lambda said: self._hear(name, said))
        self.ties[name] = tie

    def _hear(self, name: str, said: dict[str, Any]) -> None:
        if "failed" in said:
            self.failed[name] = said

    def _refusal(
        self, name: str, passport: Mapping[str, object], alike: Mapping[str, str], names: Sequence[str]
    ) -> str:
        if name not in names:
            return f"is named {name!r}, and the battle's recipe names {', '.join(names)} as its nodes"
        if name in self.ties and not self.ties[name].silence():
            return f"is named {name!r} as a machine that has joined already"
        theirs = passport.get("alike")
        unlike = difference(alike, theirs if isinstance(theirs, dict) else {})
        return f"cannot train with this machine: {unlike}" if unlike else ""

    def _forget_lost(self) -> None:
        for name, tie in list(self.ties.items()):
            if tie.silence():
                tie.close()
                del self.ties[name]

    def begin(self, *, port: int, processes: int, strategy: str) -> None:
        """Tell each machine which of them it is, and where the group's store is on this one. Raises Broken."""
        for rank, tie in enumerate(self.ties.values(), start=1):
            tie.say(node_rank=rank, nodes=len(self.ties) + 1, port=port, processes=processes, strategy=strategy)

    def lost(self) -> str:
        """Which machine does not answer, in words; empty while all do."""
        for name, tie in self.ties.items():
            if name not in self.failed and (silence := tie.silence()):
                return f"the machine {name} {silence}"
        return ""

    def watch(self, on_lost: Callable[[str], None]) -> None:
        """Until one is lost, which `on_lost` hears. For a thread of its own."""
        while not (lost := self.lost()):
            time.sleep(_LOOK_SECONDS)
        on_lost(lost)

    def close(self) -> None:
        for tie in self.ties.values():
            with contextlib.suppress(OSError):
                tie.close()


def _waiting(missing: Sequence[str], address: tuple[str, int]) -> str:
    there = f"manage.py node {address[0]}:{address[1]} --name {missing[0]}"
    named = f"the machine {missing[0]}" if len(missing) == 1 else f"the machines {', '.join(missing)}"
    return f"The battle waits for {named} to join it; there: {there}"
