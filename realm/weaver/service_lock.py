"""One process a service of a world, however it is started: a lock that the kernel gives to a process, and names.

Of fcntl(2)'s kind: it outlives `exec`, is no child's, and the kernel says who holds it. But a process that opens the
file once more and closes it loses its lock, so its own it knows by its environment. Standard library only, since each
service passes through here as it starts.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from pathlib import Path

from realm.world import World

FOLDER = "services"
RUN_BY_VARIABLE = "REALM_RUN_BY"
"""In the environment of a service: `weaver` or `systemd`."""
HELD_VARIABLE = "REALM_SERVICE_LOCK"
"""In the environment of a service: its process, and the file of its lock. A child inherits it, and is another."""
WEAVER, SYSTEMD = "weaver", "systemd"
_FLOCK = "hhqqi4x"
"""`struct flock` of 64-bit Linux: type, whence, start, length, pid."""


def take(world: World, service: str) -> bool:
    """Whether this process holds the service's lock now; it does until it ends, also as another program."""
    handle = _opened(world, service)
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        if error.errno in (errno.EACCES, errno.EAGAIN):
            return False
        raise
    os.set_inheritable(handle, True)
    return True


def holder(world: World, service: str) -> int | None:
    """The process that holds it; None where nobody does."""
    if _is_own(world, service):
        return os.getpid()
    try:
        handle = os.open(_path(world, service), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind, _, _, _, pid = struct.unpack(_FLOCK, fcntl.fcntl(handle, fcntl.F_GETLK, asked))
    finally:
        os.close(handle)
    return None if kind == fcntl.F_UNLCK else pid


def own_mark(world: World, service: str) -> str:
    """What HELD_VARIABLE says of this process, which holds that lock."""
    found = os.stat(_path(world, service))
    return f"{os.getpid()}:{found.st_dev}:{found.st_ino}"


def _is_own(world: World, service: str) -> bool:
    said = os.environ.get(HELD_VARIABLE, "")
    try:
        return said.startswith(f"{os.getpid()}:") and said == own_mark(world, service)
    except FileNotFoundError:
        return False


def run_by(pid: int) -> str:
    """`weaver`, `systemd`, or empty of a process that was started by hand or that nobody may look at."""
    try:
        environ = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return ""
    mark = f"{RUN_BY_VARIABLE}=".encode()
    return next((one.removeprefix(mark).decode(errors="replace") for one in environ if one.startswith(mark)), "")


def in_words(pid: int | str) -> str:
    """A process that holds something of a service, with who runs it: `process 12, which the weaver runs`."""
    if not str(pid).isdecimal():
        return "another process"
    by = {WEAVER: "the weaver runs", SYSTEMD: "systemd runs"}.get(run_by(int(pid)), "was started by hand")
    return f"process {pid}, which {by}"


def _opened(world: World, service: str) -> int:
    path = _path(world, service)
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _path(world: World, service: str) -> Path:
    return world.control / FOLDER / f"{service}.lock"
