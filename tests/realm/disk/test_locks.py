"""A lock excludes other processes, of this release and of older ones, and ends with whoever held it."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from realm.disk import locks
from realm.disk.locks import Taken, held, is_held, only_one, opened, share, try_lock
from realm.world import CHECKOUT

OURS = (
    "from pathlib import Path; from realm.disk.locks import only_one; "
    "way = only_one(Path(sys.argv[1])); way.__enter__()"
)
# As releases before this one took it.
OLDER = (
    "import fcntl; file = open(os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o644), 'r+'); "
    "fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB); file.write(str(os.getpid())); file.truncate(); file.flush()"
)
Start = Callable[[str], "subprocess.Popen[str]"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "some.lock"


@pytest.fixture
def start(path: Path) -> Iterator[Start]:
    begun: list[subprocess.Popen[str]] = []

    def start(code: str) -> subprocess.Popen[str]:
        """A process that holds the lock until it is killed."""
        argv = [
            sys.executable,
            "-c",
            f"import os, sys\n{code}\nprint('holds', flush=True)\nsys.stdin.read()",
            str(path),
        ]
        begun.append(subprocess.Popen(argv, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        assert begun[-1].stdout is not None
        assert begun[-1].stdout.readline() == "holds\n"
        return begun[-1]

    yield start
    for process in begun:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("code", [OURS, OLDER])
def test_the_second_stops_at_once_and_names_the_first(path: Path, start: Start, code: str) -> None:
    first = start(code)
    begun = time.monotonic()
    with pytest.raises(Taken) as refused, only_one(path):
        pass
    assert time.monotonic() - begun < 1.0
    assert str(refused.value) == str(first.pid) == path.read_text(), "the loser leaves the file as it is"
    assert is_held(path)
    first.kill()
    first.wait()
    begun = time.monotonic()
    with only_one(path):
        assert path.read_text() == str(os.getpid())
    assert time.monotonic() - begun < 2.0


def test_twin_without_the_kernels_lock_there_are_two(path: Path, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    start(OURS)
    monkeypatch.setattr(locks, "try_lock", lambda handle: True)
    with only_one(path):
        assert path.read_text() == str(os.getpid())


def test_an_older_release_is_kept_out(path: Path) -> None:
    with only_one(path), open(path, "r+") as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with open(path, "r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_the_file_stays_and_a_longer_pid_is_written_over(path: Path) -> None:
    path.write_text("123456789")
    inode = path.stat().st_ino
    with only_one(path):
        assert path.read_text() == str(os.getpid())
    assert path.stat().st_ino == inode
    assert not is_held(path)


def test_a_pid_that_cannot_be_written_frees_the_lock(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(locks, "_write_pid", full)
        with pytest.raises(OSError, match="No space"), only_one(path):
            pass
    assert not is_held(path)
    with only_one(path):
        pass


@pytest.fixture
def asked(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Somebody asks `is_held`, and lets go when the one who wants the lock has tried once."""
    with opened(path) as asker:

        def try_once(handle: int) -> bool:
            is_ours = try_lock(handle)
            fcntl.flock(asker, fcntl.LOCK_UN)
            return is_ours

        share(asker)
        monkeypatch.setattr(locks, "try_lock", try_once)
        yield


@pytest.mark.usefixtures("asked")
def test_who_only_asks_is_in_nobodys_way(path: Path) -> None:
    with only_one(path):
        pass


@pytest.mark.usefixtures("asked")
def test_twin_of_one_that_tries_only_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "_TRIES", 1)
    with pytest.raises(Taken), only_one(path):
        pass


def test_others_wait_for_their_turn(path: Path) -> None:
    order: list[str] = []

    def second() -> None:
        with held(path):
            order.append("second")

    with held(path):
        waits = threading.Thread(target=second)
        waits.start()
        with pytest.raises(Taken), held(path, seconds=0.1):
            pass
        order.append("first")
    waits.join()
    assert order == ["first", "second"]


def test_it_may_be_left_by_another_thread_than_entered_it(path: Path) -> None:
    way = held(path)
    way.__enter__()
    other = threading.Thread(target=way.__exit__, args=(None, None, None))
    other.start()
    other.join()
    assert not is_held(path)


def test_a_child_goes_on_holding_what_it_inherits(path: Path) -> None:
    with opened(path) as handle:
        assert try_lock(handle)
        child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, pass_fds=[handle])
    assert is_held(path)
    with opened(path) as handle:
        assert not try_lock(handle)
    child.communicate()
    assert not is_held(path)


def test_only_its_owner_can_hold_a_lock_up(path: Path) -> None:
    with held(path):
        assert path.stat().st_mode & 0o777 == 0o600
