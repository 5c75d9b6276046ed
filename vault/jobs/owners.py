"""Who performs a job, told so that another process can see whether it still lives."""

from __future__ import annotations

import os
import socket

import psutil

from realm.processes.identity import identity
from realm.processes.orphans import lives

_HOST_LETTERS = 40


def this_process() -> str:
    """`host/pid/identity`: numbers of processes are used again."""
    return _told(os.getpid())


def is_alive(owner: str) -> bool:
    """Of a process on another machine nobody here knows; it is believed."""
    host, pid, *_ = [*owner.split("/"), "", ""]
    if host != _host():
        return bool(host)
    try:
        return _told(int(pid)) == owner and lives(psutil.Process(int(pid)))
    except (ValueError, psutil.Error):
        return False


def _told(pid: int) -> str:
    return f"{_host()}/{pid}/{identity(pid)}"


def _host() -> str:
    return socket.gethostname().replace("/", "-")[:_HOST_LETTERS]
