"""PostgreSQL and Redis of a run's own, in a temporary folder: `python -m tests.support.database_servers COMMAND`.

COMMAND is run with TESTS_DATABASE_URL and TESTS_REDIS_URL. The servers end with it, and where this process is killed
the reaper ends them. They are reached by sockets in that folder alone, and write nothing through to the disk.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.support import reaper

DATABASE_VARIABLE, REDIS_VARIABLE = "TESTS_DATABASE_URL", "TESTS_REDIS_URL"
_HOMES = Path("/usr/lib/postgresql")
"""Where Debian keeps the programs of each release."""
_WITHOUT_SYNC = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
_ADMIN = "realm"
_SECONDS = 30.0
_NOT_THERE = 127


class NotInstalled(Exception):
    """One sentence."""


@dataclass
class PostgreSQL:
    folder: Path
    process: subprocess.Popen[bytes] | None = None

    def url(self, database: str) -> str:
        return f"postgresql://{_ADMIN}@/{database}?host={self.folder}"

    def make(self) -> None:
        """Empty, with a database named `realm`. Raises NotInstalled."""
        self.folder.mkdir()
        if as_root():
            shutil.chown(self.folder, _unprivileged().pw_name)
        command = [_program("initdb"), "-D", str(self.folder / "data"), "-A", "trust", "-U", _ADMIN]
        made = subprocess.run(
            [*_as_nobody(), *command, "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"], cwd="/", capture_output=True
        )
        assert made.returncode == 0, made.stderr.decode()
        self.start()
        self.query("CREATE DATABASE realm")

    def start(self) -> None:
        settings = [f"unix_socket_directories={self.folder}", "listen_addresses=", *_WITHOUT_SYNC]
        options = [word for setting in settings for word in ("-c", setting)]
        with open(self.folder.with_suffix(".log"), "ab") as log:
            self.process = subprocess.Popen(
                [*_as_nobody(), _program("postgres"), "-D", str(self.folder / "data"), *options],
                cwd="/", stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        _wait_until(lambda: self.query("SELECT 1"), self.process)

    def query(self, text: str) -> bool:
        """Whether it was done."""
        command = [_program("psql"), "-h", str(self.folder), "-U", _ADMIN, "-qtc", text, "postgres"]
        return subprocess.run(command, cwd="/", capture_output=True).returncode == 0

    def stop(self) -> None:
        """At once, as after a loss of power."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(3)  # "immediate", its children go, too
            self.process.wait()


@dataclass
class Redis:
    folder: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.folder}/socket"

    def start(self) -> None:
        """Empty. Raises NotInstalled."""
        self.folder.mkdir(exist_ok=True)
        options = ("--port", "0", "--unixsocket", str(self.folder / "socket"), "--save", "", "--appendonly", "no")
        with open(self.folder.with_suffix(".log"), "ab") as log:
            self.process = subprocess.Popen(
                [_program("redis-server"), *options], cwd=self.folder, stdout=log, stderr=log, start_new_session=True
            )
        _wait_until((self.folder / "socket").exists, self.process)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        (self.folder / "socket").unlink(missing_ok=True)


@dataclass(frozen=True)
class Servers:
    database: PostgreSQL
    redis: Redis


@contextmanager
def running() -> Iterator[Servers]:
    """Both, empty. Raises NotInstalled."""
    folder = Path(tempfile.mkdtemp(prefix="realm-servers-"))
    folder.chmod(0o755)  # another user's program reads its own folder in there
    servers = Servers(PostgreSQL(folder / "postgresql"), Redis(folder / "redis"))
    try:
        servers.redis.start()
        servers.database.make()
        yield servers
    finally:
        servers.database.stop()
        servers.redis.stop()
        shutil.rmtree(folder, ignore_errors=True)


def as_root() -> bool:
    return os.geteuid() == 0


def _unprivileged() -> pwd.struct_passwd:
    """Of root's two: PostgreSQL refuses to run as root."""
    with suppress(KeyError):
        return pwd.getpwnam("postgres")
    return pwd.getpwnam("nobody")


def _as_nobody() -> list[str]:
    if not as_root():
        return []
    user = _unprivileged()
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


def _program(name: str) -> str:
    homes = sorted(_HOMES.glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True)
    found = shutil.which(name, path=os.pathsep.join([*map(str, homes), os.environ["PATH"]]))
    if found is None:
        raise NotInstalled(f"{name} is not installed")
    return found


def _wait_until(condition: object, process: subprocess.Popen[bytes]) -> None:
    assert callable(condition)
    end = time.monotonic() + _SECONDS
    while not condition():
        assert process.poll() is None, f"{process.args} ended with {process.returncode}"
        assert time.monotonic() < end, f"{process.args} does not answer"
        time.sleep(0.02)


def main() -> int:
    watching = reaper.start()
    try:
        with running() as servers:
            urls = {DATABASE_VARIABLE: servers.database.url("realm"), REDIS_VARIABLE: servers.redis.url}
            return subprocess.run(sys.argv[1:], env=os.environ | urls).returncode
    except NotInstalled as error:
        print(error, file=sys.stderr)
        return _NOT_THERE
    finally:
        watching.communicate()


if __name__ == "__main__":
    sys.exit(main())
