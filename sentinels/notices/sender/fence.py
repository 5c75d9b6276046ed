"""What the sending process may do at all, whatever the library in it is talked into by an address.

It connects to no forbidden address, however a name leads there, starts no process, and reads no file but Python's own
and the machine's certificates.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection
from typing import Any

import psutil

from realm.web.forbidden_addresses import is_forbidden
from realm.web.networks import read_address
from realm.world import CHECKOUT

CREDENTIALS = "no notice goes to link-local addresses, or to those where clouds keep credentials"
_PROCESSES = frozenset(
    {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "pty.spawn"}
)
_READABLE = (
    "/usr/", "/lib/", "/lib64/", "/opt/", "/etc/ssl/", "/etc/pki/", "/etc/mime.types", "/etc/localtime",
    "/dev/null", "/dev/urandom",
)  # fmt: skip
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Refused(PermissionError):
    """One sentence: what was not done."""


def raise_fence(own_ports: Collection[int], on_refused: Callable[[str], None]) -> None:
    """From now on, for the rest of this process: a hook of the interpreter cannot be taken away."""
    own = {address.address for found in psutil.net_if_addrs().values() for address in found}
    prefixes = readable()

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        why = ""
        if event == "socket.connect":
            why = _of_address(arguments[1], own, own_ports)
        elif event in ("socket.sendto", "socket.sendmsg"):
            why = "datagrams are not sent"
        elif event in _PROCESSES:
            why = "no process is started"
        elif event == "open":
            why = _of_file(arguments[0], arguments[2], prefixes)
        if why:
            on_refused(why)
            raise Refused(why)

    sys.addaudithook(hook)


def readable() -> tuple[str, ...]:
    """How the paths of files begin that may be read: Python's own, the realm's code, certificates."""
    code = (os.path.join(CHECKOUT, app) for app in ("realm", "arena", "sentinels"))
    own = (sys.prefix, sys.base_prefix, *code)
    return (*_READABLE, *(f"{os.path.realpath(path)}/" for path in own))


def _of_address(address: Any, own: Collection[str], own_ports: Collection[int]) -> str:
    if not isinstance(address, tuple):
        return "no socket of this machine is opened"
    host, port = str(address[0]).partition("%")[0], address[1]
    found = read_address(host)
    if found is None:
        return "an address without a number is not connected to"
    is_own = found.is_loopback or str(found) in own
    if is_forbidden(host):
        return CREDENTIALS
    return "no notice goes to the realm's own servers" if is_own and port in own_ports else ""


def _of_file(path: Any, flags: Any, prefixes: tuple[str, ...]) -> str:
    if not isinstance(path, str | bytes | os.PathLike):  # a file that is open already
        return ""
    real = os.path.realpath(os.fsdecode(path))
    if isinstance(flags, int) and flags & _WRITING and real != os.devnull:
        return "no file is written"
    return "" if real.startswith(prefixes) else "no file of this machine is read"
