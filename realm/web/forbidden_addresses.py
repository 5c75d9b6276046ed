"""Addresses that no file of the player's may lead to: clouds keep the machine's own credentials behind some of them."""

from __future__ import annotations

import re
import socket
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import unquote

_METADATA = tuple(
    map(
        ip_network,
        (
            "100.100.100.200/32", "192.0.0.192/32", "168.63.129.16/32", "fd00:ec2::/32", "fd20:ce::254/128",
            "fd00:c1::a9fe:a9fe/128",
        ),
    )
)  # fmt: skip
"""Alibaba, Oracle, Azure, Amazon, Google, Oracle; all others use 169.254.169.254, which is link-local."""
_METADATA_NAMES = frozenset(
    {
        "metadata", "metadata.google.internal", "metadata.goog", "metadata.azure.internal", "metadata.tencentyun.com",
        "metadata.platformequinix.com", "metadata.packet.net", "instance-data", "instance-data.ec2.internal",
    }
)  # fmt: skip
_OF_NO_MACHINE = ip_network("0.0.0.0/8")
_LAST_32_BITS = tuple(map(ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "::/96")))
"""Networks whose addresses end with one of IPv4: NAT64 (RFC 6052, RFC 8215), IPv4-compatible."""
_ISATAP = 0x5EFE
_AUTHORITY = re.compile(r"[a-z][a-z0-9+.-]*:[/\\]{2,}([^/?#]*)", re.IGNORECASE)


def is_forbidden(host: str) -> bool:
    """Whether the host, however it is spelled, is link-local, of no machine, of many machines, or a cloud's metadata.

    Other names than those that clouds give to their metadata are judged when they are resolved
    (`realm.web.forbidden_connections`).
    """
    plain = _plain(host)
    addresses = list(_addresses(plain))
    return any(map(_is_wrong, addresses)) if addresses else plain in _METADATA_NAMES


def leads_to_forbidden(url: str) -> bool:
    """Whether a URL of any scheme names a forbidden host. Where parsers differ about the host, each reading counts.

    Such are a user's name before `@`, several of them, and a backslash.
    """
    found = _AUTHORITY.match(url.strip())
    if found is None:
        return False
    parts = [part for half in re.split(r"\\", found[1]) for part in half.split("@")]
    return any(is_forbidden(_without_port(part)) for part in parts if part)


def is_credential_address(host: str) -> bool:
    """Whether the address of a connection is link-local or a cloud's metadata, where nothing of the realm's may go."""
    return any(_is_of_a_cloud(address) for address in _addresses(host))


def _without_port(authority: str) -> str:
    if authority.startswith("["):
        return authority[1:].partition("]")[0]
    host, _, port = authority.rpartition(":")
    return host if host and ":" not in host and re.fullmatch(r"\d*", port) else authority


def _plain(host: str) -> str:
    """As a resolver would read it: full-width digits, escapes, punycode, brackets and a dot at the end are undone."""
    text = unquote(host.strip()).strip("[]")
    with suppress(UnicodeError):
        text = text.encode("ascii").decode("idna")
    text = unicodedata.normalize("NFKC", text).replace("\u3002", ".")
    return text.replace("\u00ad", "").lower().rstrip(".")


def _addresses(host: str) -> Iterator[IPv4Address | IPv6Address]:
    """The address and those within it; none of a name. Numbers are read as the C library reads them: in octal, too."""
    try:
        address = ip_address(host)
    except ValueError:
        with suppress(OSError, UnicodeError, ValueError):
            yield IPv4Address(socket.inet_aton(host))
        return
    yield address
    if isinstance(address, IPv6Address):
        yield from _within(address)


def _within(address: IPv6Address) -> Iterator[IPv4Address]:
    """Addresses of IPv4 that this one carries."""
    carried = (address.ipv4_mapped, address.sixtofour, *(address.teredo or ()))
    yield from (each for each in carried if each is not None)
    number = int(address)
    is_short = number <= 1  # the unspecified and the loopback address of IPv6
    if not is_short and (any(address in net for net in _LAST_32_BITS) or (number >> 32) & 0xFFFF == _ISATAP):
        yield IPv4Address(number & 0xFFFFFFFF)


def _is_wrong(address: IPv4Address | IPv6Address) -> bool:
    return (
        _is_of_a_cloud(address)
        or address.is_unspecified
        or address.is_multicast
        or address in _OF_NO_MACHINE
        or (address.version == 4 and address.is_reserved)
    )


def _is_of_a_cloud(address: IPv4Address | IPv6Address) -> bool:
    return address.is_link_local or any(address in network for network in _METADATA)
