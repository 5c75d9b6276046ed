"""Where other machines join this one to train with it: an address of this machine's in a network of one's own."""

from __future__ import annotations

from ipaddress import IPv4Address

ALLOWED = "allowed is ADDRESS:PORT with an IPv4 address of this machine in a private network, such as 10.0.0.1:29400"


def parse(text: str) -> tuple[str, int]:
    """Host and port. Raises ValueError with a sentence.

    Torch's group neither asks who joins nor hides what it sends, so an address that all the world reaches is refused.
    """
    host, _, port = text.rpartition(":")
    try:
        address, number = IPv4Address(host), int(port)
    except ValueError:
        raise ValueError(f"node_address: {text!r} is no address; {ALLOWED}") from None
    if not address.is_private or address.is_unspecified or not 0 < number < 2**16:
        raise ValueError(f"node_address: {text!r} is not allowed; {ALLOWED}")
    return host, number
