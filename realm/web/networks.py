"""Addresses and networks as players list them, and as headers and connections have them."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Of `trusted_proxies`. Raises ValueError, one sentence."""
    return tuple(_network(text) for text in texts)


def read_address(text: str) -> Address | None:
    """Of `1.2.3.4`, `1.2.3.4:80`, `fd00::2`, `[fd00::2]:80`; an address of version 4 in one of version 6 is meant."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _network(text: str) -> Network:
    try:
        network = ip_network(text)
    except ValueError:
        raise ValueError(
            f"trusted_proxies: {text!r} is no address or network; allowed are 127.0.0.1, fd00::2, 10.0.0.0/24 and the "
            "like"
        ) from None
    if network.prefixlen == 0:
        raise ValueError(f"trusted_proxies: {text!r} is everybody; allowed are the proxies' own addresses")
    return network
