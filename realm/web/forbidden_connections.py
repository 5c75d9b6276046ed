"""No connection of this process goes where a machine's credentials lie, whichever library makes it.

A name may resolve to another address than it did a moment ago, and a server may send a library elsewhere. So what is
judged is the address of each connection, at the moment it is made: Python tells an audit hook of it (PEP 578) before a
packet leaves. Libraries that connect in C are not seen.
"""

from __future__ import annotations

import errno
import sys
from typing import Any

from realm.web import forbidden_addresses

_EVENTS = frozenset({"socket.connect", "socket.sendto"})
_is_refusing = False


class ForbiddenConnection(OSError):
    """The text names the address. An OSError, since every library expects one of a connection."""


def refuse() -> None:
    """From now on in this process. There is no way back; a second call changes nothing."""
    global _is_refusing
    if not _is_refusing:
        _is_refusing = True
        sys.addaudithook(_look)


def _look(event: str, arguments: tuple[Any, ...]) -> None:
    if event in _EVENTS:
        _check(arguments[1])


def _check(address: Any) -> None:
    """Raises ForbiddenConnection. Other families than those of IP have no such addresses."""
    host = address[0] if isinstance(address, tuple) and address else None
    if isinstance(host, str) and forbidden_addresses.is_credential_address(host):
        raise ForbiddenConnection(errno.EACCES, f"{host} is where no server of the realm's can be")
