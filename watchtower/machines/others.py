"""The other machines of hosts.yaml, each asked in the background: one that is silent holds nobody up."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from http import HTTPStatus

from realm.host_services import ZONE
from realm.hosts import Host
from realm.machine import wire
from realm.machine.in_time import InTime
from realm.machine.machine import Machine
from realm.web import outbound

SECONDS = 3.0
_LARGEST_BYTES = 512 * 1024
_LARGEST_TOKEN_BYTES = 4096
_VAULT = "vault"


@dataclass(frozen=True, kw_only=True)
class Told:
    """What came of asking a host."""

    machine: Machine | None = None
    seen_at: float | None = None
    """When it told this, or last told anything."""
    trouble: str = ""
    """Why it tells nothing now."""


class Others:
    def __init__(self, ask: Callable[[Host], Told] | None = None) -> None:
        self._ask = ask or ask_host
        self._asked: dict[str, tuple[Host, InTime[Told]]] = {}
        self._last: dict[str, Told] = {}

    def look(self, hosts: list[Host]) -> dict[str, Told]:
        """By id: what each said when it was last asked, and a new question to each. Waits for nobody."""
        self._asked = {host.id: self._question(host) for host in hosts}
        self._last = {host: self._noted(host, asked.get()) for host, (_, asked) in self._asked.items()}
        return self._last

    def _question(self, host: Host) -> tuple[Host, InTime[Told]]:
        """The one that is open already, unless hosts.yaml has something else now."""
        before = self._asked.get(host.id)
        if before and before[0] == host:
            return before
        return host, InTime(lambda: self._ask(host), seconds=0.0, name=f"machine of {host.id}")

    def _noted(self, host: str, told: Told | None) -> Told:
        """One that tells nothing keeps what it told before, with the time of that."""
        before = self._last.get(host, Told())
        if told is None:
            return replace(before, trouble=before.trouble or "it has not answered yet")
        return told if told.machine else replace(before, trouble=told.trouble)


def ask_host(host: Host) -> Told:
    """The first of its services that tells of its machine; else why none does."""
    said = ""
    for root, path in _doors(host):
        try:
            reply = outbound.ask_once(
                root, "GET", path, seconds=SECONDS, largest_bytes=_LARGEST_BYTES, headers=_headers(host)
            )
            value = json.loads(reply.body)
        except outbound.FAILURES as error:
            said = said or f"it does not answer at {root}{path}: {type(error).__name__}"
            continue
        except (ValueError, RecursionError, OSError) as error:
            said = f"it answers rubbish at {root}{path}: {error}"[:200]
            continue
        if reply.status != HTTPStatus.OK:
            said = f"it answers {reply.status} at {root}{path}"
            continue
        machine = wire.parse(value.get(wire.KEY), now=time.time()) if isinstance(value, dict) else None
        if machine:
            return Told(machine=machine, seen_at=machine.time)
        said = "it answers and does not tell of its machine: an older release"
    return Told(trouble=said or "it has no service that tells of its machine")


def _doors(host: Host) -> Iterator[tuple[str, str]]:
    """Roots and paths. A foreign inference server knows nothing of this."""
    if not host.is_realm:
        return
    if host.infers:
        yield host.url, "/health"
    if _VAULT in host.services:
        yield host.services[_VAULT].url.removesuffix("/api"), "/health"
    if ZONE in host.services:
        yield host.services[ZONE].url, "/status"


def _headers(host: Host) -> dict[str, str]:
    """Raises OSError, ValueError."""
    if host.token_file is None:
        return {}
    with host.token_file.open(encoding="ascii") as file:
        return {"Authorization": f"Bearer {file.read(_LARGEST_TOKEN_BYTES).strip()}"}
