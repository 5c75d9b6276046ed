"""Addresses that are nobody's inference host: clouds keep the machine's own credentials behind some of them."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

_METADATA = tuple(
    map(ip_network, ("100.100.100.200/32", "192.0.0.192/32", "168.63.129.16/32", "fd00:ec2::254/128"))
)  # Alibaba, Oracle, Azure, Amazon; all others use 169.254.169.254, which is link-local
_METADATA_NAMES = frozenset({"metadata", "metadata.google.internal", "metadata.goog", "instance-data"})


def is_forbidden(host: str) -> bool:
    """Link-local, of no machine, of many machines, or of a cloud's metadata; names are judged when they are resolved.

    The few names that clouds themselves give to it are judged at once.
    """
    try:
        address = ip_address(host)
    except ValueError:
        return host.lower().rstrip(".") in _METADATA_NAMES
    address = getattr(address, "ipv4_mapped", None) or address
    return (
        address.is_link_local
        or address.is_unspecified
        or address.is_multicast
        or any(address in network for network in _METADATA)
    )
