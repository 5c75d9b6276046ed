"""One world's supervisord: whether it lives, starting it, talking to it over its Unix socket."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault, ServerProxy

from supervisor.xmlrpc import Faults, SupervisorTransport, UnixStreamHTTPConnection

from realm.config import RealmConfig
from realm.disk import locks
from realm.weaver import WeaverError, supervisord_config
from realm.world import World

LOCK_FILE = "weaver.lock"
SOCKET_FILE = "weaver.sock"
START_SECONDS = 20.0
ANSWER_SECONDS = 2.0
"""In which a supervisord that is not stuck says that it lives."""
PROGRAM = """
import supervisor.loggers, supervisor.supervisord
supervisor.loggers.Handler.handleError = lambda handler: None
supervisor.supervisord.main()
"""
"""supervisord tells of a log's full disk in another file, and would end where that is full, too."""
_POLL_SECONDS = 0.02
# A Unix socket's path is at most 107 bytes, and supervisord first binds it with its pid appended.
_LONGEST_SOCKET_PATH = 107 - len(".4194304")

RUNNING_STATES = frozenset({"STARTING", "RUNNING"})


@dataclass(frozen=True, kw_only=True)
class ServiceState:
    name: str
    state: str
    """supervisord's word: STOPPED, STARTING, RUNNING, BACKOFF, STOPPING, EXITED, FATAL."""
    pid: int | None
    uptime_seconds: int | None
    why: str = ""
    """Why it does not run, where it ended by itself or could not be started."""
    run_by: str = ""
    """`systemd`, where it is no weaver that runs it."""
    health: str = ""
    """What the guardian sees of it, see realm.weaver.guarded; empty where no guardian looks."""
    restarts: int = 0
    """By the guardian and by itself, since the guardian began."""
    lines: tuple[str, ...] = ()
    """What it said last, where it was given up."""

    @property
    def runs(self) -> bool:
        return self.state in RUNNING_STATES and self.pid is not None


@contextmanager
def lock(world: World, *, seconds: float, unless: Callable[[], bool]) -> Iterator[int | None]:
    """Wait for the world's weaver lock and hold it; None as soon as `unless` says that there is no need to.

    supervisord inherits the handle and holds the lock for as long as it lives, however it ends; services do not.
    Raises WeaverError when neither comes within `seconds`.
    """
    with locks.opened(world.control / LOCK_FILE) as handle:
        yield handle if _acquired(handle, seconds, unless) else None


def lock_unless_alive(world: World, *, seconds: float = START_SECONDS) -> AbstractContextManager[int | None]:
    """The lock's handle while no supervisord lives; None if one lives and answers. Raises WeaverError."""
    return lock(world, seconds=seconds, unless=lambda: Loom(world, seconds=ANSWER_SECONDS).answers())


def _acquired(handle: int, seconds: float, unless: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while True:
        if locks.try_lock(handle):
            return True
        if unless():
            return False
        if time.monotonic() > end:
            raise WeaverError(f"the weaver of this world is held by another process and silent for {seconds:.0f} s")
        time.sleep(_POLL_SECONDS)


def is_alive(world: World) -> bool:
    """Whether a supervisord of this world lives, or one is being started; it is not asked, so it may be stuck."""
    return locks.is_held(world.control / LOCK_FILE)


def start(world: World, config: RealmConfig, lock_handle: int) -> subprocess.Popen[bytes]:
    """Start supervisord, with no service running yet; it goes on when this process ends."""
    path = supervisord_config.write(world, config)
    forget_socket(world)
    # -P: modules come from the environment, never from a file in the world's folder.
    command = [sys.executable, "-P", "-c", PROGRAM, "-c", str(path)]
    with open(world.logs / "weaver" / "start.log", "wb") as log:
        return subprocess.Popen(
            command,
            cwd=world.home,
            env=supervisord_config.environment(world, _new_socket(world)),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=[lock_handle],
        )


def _new_socket(world: World) -> Path:
    """Where supervisord shall listen; a world with too long a path has a link to a short private folder."""
    path = world.control / SOCKET_FILE
    if len(os.fsencode(path)) <= _LONGEST_SOCKET_PATH:
        return path
    short = Path(tempfile.mkdtemp(prefix="realm-", dir="/tmp")) / SOCKET_FILE
    path.symlink_to(short)
    return short


def forget_socket(world: World) -> None:
    """Delete what a supervisord that is gone has left."""
    path = world.control / SOCKET_FILE
    if path.is_symlink():
        shutil.rmtree(path.readlink().parent, ignore_errors=True)
    path.unlink(missing_ok=True)


class _Connection(UnixStreamHTTPConnection):  # type: ignore[misc]
    """supervisor's own waits for ever."""

    def __init__(self, address: str, seconds: float | None) -> None:
        super().__init__("localhost")
        self._address, self._seconds = address, seconds

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self._seconds)
        self.sock.connect(self._address)


class Loom:
    """Talks to a supervisord that lives; `seconds` bound each answer, None waits for services that stop slowly.

    No connection stays open behind an answer.
    """

    def __init__(self, world: World, *, seconds: float | None = None) -> None:
        path = world.control / SOCKET_FILE
        address = path.readlink() if path.is_symlink() else path
        self._transport: Any = SupervisorTransport(None, None, f"unix://{address}")
        self._transport._get_connection = lambda: _Connection(str(address), seconds)
        self._server: Any = ServerProxy("http://127.0.0.1", transport=self._transport)

    def answers(self) -> bool:
        try:
            self._server.supervisor.getState()
        except (OSError, HTTPException):
            return False
        finally:
            self._transport.close()
        return True

    def states(self) -> dict[str, ServiceState]:
        """By service, in no order that means anything."""
        return {told["name"]: _state(told) for told in self._ask("getAllProcessInfo")}

    def start(self, name: str) -> None:
        """Start a service; it may take a while until it does its work."""
        self._ask("startProcess", name, False, passing=Faults.ALREADY_STARTED)

    def stop(self, name: str) -> None:
        """Nor is it started again and again in vain."""
        self._ask("stopProcess", name, True, passing=Faults.NOT_RUNNING)

    def begin_stop(self, name: str) -> None:
        """Like `stop`, and returns at once: what it has to save may take its time."""
        self._ask("stopProcess", name, False, passing=Faults.NOT_RUNNING)

    def restart(self, name: str) -> None:
        self.stop(name)
        self.start(name)

    def signal(self, name: str, signal: str) -> None:
        """Send it a signal, such as `TERM`. What ends by it is started again, as whatever ends by itself."""
        self._ask("signalProcess", name, signal, passing=Faults.NOT_RUNNING)

    def shut_down(self) -> None:
        """Stop all services, the last started first, and then supervisord; returns before that is done."""
        self._ask("shutdown", passing=Faults.SHUTDOWN_STATE)

    def _ask(self, verb: str, *arguments: Any, passing: int | None = None) -> Any:
        try:
            return getattr(self._server.supervisor, verb)(*arguments)
        except Fault as fault:
            if fault.faultCode == passing:
                return None
            if fault.faultCode == Faults.SHUTDOWN_STATE:
                raise WeaverError("the services are being stopped right now; try again in a moment") from fault
            raise WeaverError(f"supervisord refused {verb} {' '.join(map(str, arguments))}: {fault}") from fault
        finally:
            self._transport.close()


def _state(told: dict[str, Any]) -> ServiceState:
    pid = told["pid"] or None
    uptime = max(0, told["now"] - told["start"]) if pid else None
    return ServiceState(name=told["name"], state=told["statename"], pid=pid, uptime_seconds=uptime, why=_why(told))


def _why(told: dict[str, Any]) -> str:
    if told["statename"] not in ("BACKOFF", "EXITED", "FATAL"):
        return ""
    if told["spawnerr"]:
        return str(told["spawnerr"])
    return f"it ended by itself with exit code {told['exitstatus']}"


def wait_for(world: World, process: subprocess.Popen[bytes]) -> Loom:
    """The loom of a supervisord that was just started."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        loom = Loom(world)
        if loom.answers():
            return loom
        if process.poll() is not None:
            said = (world.logs / "weaver" / "start.log").read_text(errors="replace").strip()
            raise WeaverError(f"supervisord ended at once (exit code {process.returncode}): {said}")
        time.sleep(_POLL_SECONDS)
    raise WeaverError(f"supervisord does not answer within {START_SECONDS:.0f} s; see {world.logs / 'weaver'}")
