"""The services that a machine of `hosts.yaml` offers, and where each of them is."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

import psutil

from realm import strict
from realm.config import RealmConfig, reached_at
from realm.strict import Range

INFERENCE = "inference"
ZONE = "zone"
"""A branch officer; no machine has one unless its entry says so."""
_KNOWN = {
    INFERENCE: ("oracle_port", "oracle_bind", ""),
    "tavern": ("port", "bind", ""),
    "vault": ("vault_port", "vault_bind", "/api"),
    "ledger": ("vault_port", "vault_bind", "/api/ledger"),
    "training": ("vault_port", "vault_bind", "/api/training"),
    ZONE: ("zone_port", "", ""),
}
"""The settings that hold its port and, on this machine, its address; and the path."""
NAMES = tuple(name for name in _KNOWN if name != ZONE)
"""What every Realm serves."""
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, kw_only=True)
class ServiceEntry:
    """A service as the file has it."""

    port: Annotated[int, Range(1, 65535, "is no port")] | None = None
    """None: as this world's settings have it."""
    path: str | None = None
    """None: as every Realm serves it."""

    def __post_init__(self) -> None:
        strict.check_ranges(self)
        if self.path and not (self.path.startswith("/") and self.path.isascii() and self.path.isprintable()):
            raise ValueError(f"path: {strict.shown(self.path)} is not allowed; allowed is a path such as /api")


@dataclass(frozen=True, kw_only=True)
class Service:
    port: int
    path: str
    """Empty, or from a slash on and without one at its end."""
    url: str
    """The whole address, without a slash at its end."""


def check(entries: Mapping[str, ServiceEntry]) -> None:
    """Raises ValueError for a service of unknown name that gives no port."""
    for name, entry in entries.items():
        if name not in _KNOWN and entry.port is None:
            raise ValueError(f"services: {strict.shown(name)} needs a port; without one there are {', '.join(_KNOWN)}")


def services_of(address: str, entries: Mapping[str, ServiceEntry], config: RealmConfig) -> dict[str, Service]:
    """By name, as they are on the machine of that address."""
    return {name: _service(address, name, entry, config) for name, entry in entries.items()}


def from_url(url: str) -> Service:
    """The service whose root is `url`."""
    parts = urlsplit(url)
    return Service(port=parts.port or (443 if parts.scheme == "https" else 80), path=parts.path, url=url)


def _service(address: str, name: str, entry: ServiceEntry, config: RealmConfig) -> Service:
    setting, bind, usual_path = _KNOWN.get(name, ("", "", ""))
    port = entry.port if entry.port is not None else getattr(config, setting)
    if bind and address == LOOPBACK:
        address = reached_at(getattr(config, bind))
    path = (usual_path if entry.path is None else entry.path).rstrip("/")
    host = f"[{address}]" if ":" in address else address
    return Service(port=port, path=path, url=f"http://{host}:{port}{path}")


def is_this_machine(address: str) -> bool:
    """Whether an address or a name is this machine's own; no name server is asked."""
    try:
        own = ipaddress.ip_address(address)
    except ValueError:
        return address.lower() in {"localhost", socket.gethostname().lower()}
    found = (each.address.partition("%")[0] for interface in psutil.net_if_addrs().values() for each in interface)
    return own.is_loopback or str(own) in found
