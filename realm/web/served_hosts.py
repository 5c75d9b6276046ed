"""Under which names a server is opened, and from pages of which origins each may be asked. No Django.

Exact lists: a name that somebody else's page has made resolve to this machine is none of them.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv6Address, ip_address

import psutil

from realm.web import origins

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
_HTTP_DEFAULT_PORT = 80
_ANY_ADDRESS = ("0.0.0.0", "::")


@dataclass(frozen=True, kw_only=True)
class Hosts:
    groups: tuple[frozenset[str], ...]
    """Origins; a page of each may ask under the hosts of all those in its group, and of no other."""

    @cached_property
    def names(self) -> frozenset[str]:
        """What Host may hold, in lower case."""
        return frozenset(self._origins_of)

    @cached_property
    def origins(self) -> frozenset[str]:
        return frozenset().union(*self.groups)

    def origins_for(self, host: str) -> frozenset[str]:
        """Of the pages that may ask under this host; none where it is not served."""
        return self._origins_of.get(host, frozenset())

    @cached_property
    def _origins_of(self) -> dict[str, frozenset[str]]:
        found: dict[str, frozenset[str]] = {}
        for group in self.groups:
            for host in map(origins.host_of, group):
                found[host] = found.get(host, frozenset()) | group
        return found


def loopback(port: int) -> Hosts:
    return Hosts(groups=(_own(LOOPBACK_NAMES, port),))


def of_server(bind: str, port: int, public_origins: Iterable[str] = (), *, other_ports: Iterable[int] = ()) -> Hosts:
    """Those of a server that listens on `bind`: loopback's names, or this machine's own, and each public origin alone.

    Processes on `other_ports` serve the same; pages of one ask no other.

    What this machine is called is looked up now; an address that it gets later is known from the next start on.
    """
    names = LOOPBACK_NAMES if _spelled(bind) in LOOPBACK_NAMES else (*_own_names(bind), *LOOPBACK_NAMES)
    own = (_own(names, each) for each in (port, *other_ports))
    return Hosts(groups=(*own, *(frozenset({origin}) for origin in public_origins)))


def is_loopback(address: str) -> bool:
    """Of an address, or `localhost`; a name that would have to be looked up is none."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address == "localhost"
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return (mapped or found).is_loopback


def _own(names: Iterable[str], port: int) -> frozenset[str]:
    suffix = "" if port == _HTTP_DEFAULT_PORT else f":{port}"
    return frozenset(f"http://{name}{suffix}" for name in names)


def _own_names(bind: str) -> list[str]:
    """Its addresses on which the server listens, and the machine's name, in the local network with `.local`."""
    addresses = _addresses() if bind in _ANY_ADDRESS else [bind]
    name = socket.gethostname().lower()
    short = name.partition(".")[0]
    named = [each for each in (name, short, f"{short}.local") if origins.is_origin(f"http://{each}")]
    return [*map(_spelled, addresses), *named]


def _spelled(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _addresses() -> list[str]:
    """Without those that hold only together with the name of an interface, which no browser can spell."""
    families = (socket.AF_INET, socket.AF_INET6)
    found = (each for entries in psutil.net_if_addrs().values() for each in entries if each.family in families)
    return sorted({ip_address(each.address).compressed for each in found if "%" not in each.address})
