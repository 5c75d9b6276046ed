"""Origins that a player lists: exactly as a browser spells them, for they are compared letter by letter."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address

_SPELLED = re.compile(r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::(?P<port>[1-9][0-9]{0,4}))?")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_LONGEST_NAME = 253


def check(origins: tuple[str, ...], key: str) -> None:
    """Raises ValueError: one sentence that names the key and the first that is no origin or stands there twice."""
    for origin in origins:
        if not is_origin(origin):
            raise ValueError(
                f"{key}: {origin!r} is no origin; allowed is what a browser calls one: http or https, ://, the name in "
                "small letters, and the port where it is not the scheme's own, such as https://realm.example.org"
            )
        if origins.count(origin) > 1:
            raise ValueError(f"{key}: {origin!r} stands there twice; allowed is each once")


def is_origin(text: str) -> bool:
    """Whether some browser could send it as the Origin of a page."""
    found = _SPELLED.fullmatch(text)
    if found is None:
        return False
    port = found["port"]
    return port != _DEFAULT_PORTS[found["scheme"]] and int(port or 1) <= 65535 and _is_host(found["host"])


def _is_host(host: str) -> bool:
    try:
        if host.startswith("["):
            return f"[{IPv6Address(host[1:-1]).compressed}]" == host
        if host.rpartition(".")[2].isdigit():  # a browser reads it as an address, whatever stands before
            return str(IPv4Address(host)) == host
    except AddressValueError:
        return False
    return len(host) <= _LONGEST_NAME and all(_LABEL.fullmatch(label) for label in host.split("."))


def host_of(origin: str) -> str:
    """What Host holds in a request for an address of that origin."""
    return origin.partition("://")[2]


def name_of(origin: str) -> str:
    """The host without a port; an IPv6 address stands in its brackets."""
    host = host_of(origin)
    return f"{host.partition(']')[0]}]" if host.startswith("[") else host.partition(":")[0]
