"""What a service says to whoever supervises it, by systemd's protocol: one datagram to `$NOTIFY_SOCKET`.

systemd listens there where it runs the service, else the guardian. Standard library only.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

VARIABLE = "NOTIFY_SOCKET"
EVERY_SECONDS = 2.0
"""How often the loop that does the work shall say so; systemd is told to wait for many times this."""
_LONGEST_PATH = 107
_OPEN_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


def beat() -> None:
    """The loop that does the work goes round, so the service is ready. Costs a system call or two, raises nothing."""
    _say(b"READY=1\nWATCHDOG=1")


def stopping() -> None:
    """The service was told to end, and saves."""
    _say(b"STOPPING=1")


def _say(words: bytes, environ: Mapping[str, str] = os.environ) -> None:
    """Nobody need listen: a guardian may be on its way, and what is started by hand has none."""
    address = environ.get(VARIABLE, "")
    if not address:
        return
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.setblocking(False)
            _send(sender, words, address)
    except OSError:
        return


def _send(sender: socket.socket, words: bytes, address: str) -> None:
    if address.startswith("@"):
        sender.sendto(words, f"\0{address[1:]}")
    elif len(os.fsencode(address)) <= _LONGEST_PATH:
        sender.sendto(words, address)
    else:  # than which the name of a socket cannot be longer
        folder, name = os.path.split(address)
        handle = os.open(folder, _OPEN_FOLDER)
        try:
            sender.sendto(words, f"/proc/self/fd/{handle}/{name}")
        finally:
            os.close(handle)
