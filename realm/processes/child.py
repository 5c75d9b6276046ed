"""A child process in a group of its own: started with its log, listened to, spoken to, ended with its group, reaped."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from typing import IO, Any, Self

from realm.processes.log import ChildLog
from realm.world import CHECKOUT

_LOOK_SECONDS = 1.0


class ChildProcess:
    """Its number stays its own, and that of its group, until `wait` or `exit_code` has reaped it."""

    def __init__(self, command: Sequence[str], **options: Any) -> None:
        """`options` as subprocess.Popen takes them. Raises OSError."""
        self._process: subprocess.Popen[bytes] = subprocess.Popen(
            command, cwd=CHECKOUT, start_new_session=True, **options
        )

    @classmethod
    def conversing(
        cls,
        command: Sequence[str],
        log: ChildLog | None,
        *,
        on_line: Callable[[bytes], None],
        on_end: Callable[[], None],
        env: Mapping[str, str] | None = None,
    ) -> Self:
        """One that takes lines, answers in lines and learns by the end of its input that this process is gone.

        A thread of its own hears each whole line, and then that the child is dead. Its errors go to the
        log, or where this process's do. Raises OSError.
        """
        with log.opened() if log else nullcontext() as output:
            child = cls(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=output)
        replies = child._process.stdout
        threading.Thread(target=child._listen, args=(replies, on_line, on_end), daemon=True).start()
        return child

    @classmethod
    def logged(
        cls,
        command: Sequence[str],
        log: ChildLog,
        *,
        env: Mapping[str, str],
        pass_fds: Sequence[int] = (),
        is_held: bool = False,
    ) -> Self:
        """One that is given nothing to read and whose outputs both go to the log. Raises OSError.

        With `is_held` its input stays open, and by its end it learns that this process is gone.
        """
        with log.opened() as output:
            return cls(
                command, env=env, pass_fds=pass_fds,
                stdin=subprocess.PIPE if is_held else subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.returncode is None and not _has_ended(self.pid)

    @property
    def is_stopped(self) -> bool:
        """By a signal, as by SIGSTOP: it lives and does nothing."""
        return self.alive and os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT) is not None

    @property
    def exit_code(self) -> int | None:
        """Negative for the signal that ended it; None while it lives."""
        return None if self.alive else self._process.wait()

    def wait(self, seconds: float | None = None) -> int:
        """Its exit code. Raises subprocess.TimeoutExpired."""
        return self._process.wait(seconds)

    def send(self, line: bytes) -> bool:
        """Whether there is anybody left to read it."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line)
            self._process.stdin.flush()
        except BrokenPipeError:
            return False
        return True

    def hang_up(self) -> None:
        """Close its input."""
        if self._process.stdin is not None:
            with suppress(BrokenPipeError):  # of a line that it no longer read
                self._process.stdin.close()

    def terminate(self) -> None:
        """Ask it to end; what it started is left to it."""
        self._process.terminate()

    def signal_group(self, number: int) -> None:
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    def kill(self) -> None:
        """At once, with its group; a stopped process dies of it too."""
        self.signal_group(signal.SIGKILL)

    def reap(self) -> int:
        """End what is left of its group with it; its exit code."""
        self.kill()
        code = self.wait()
        self.hang_up()
        return code

    def wait_or_kill(self, grace_seconds: float, *, meanwhile: Callable[[], None] = lambda: None) -> int:
        """Its exit code, after it was asked to end; its group is killed where the grace is not enough.

        `meanwhile` is called at once, and then every second.
        """
        deadline = time.monotonic() + grace_seconds
        while True:
            meanwhile()
            left = deadline - time.monotonic()
            try:
                return self.wait(min(left, _LOOK_SECONDS))
            except subprocess.TimeoutExpired:
                if left <= _LOOK_SECONDS:
                    return self.reap()

    def _listen(self, replies: IO[bytes], on_line: Callable[[bytes], None], on_end: Callable[[], None]) -> None:
        with replies:
            for line in replies:
                if line.endswith(b"\n"):
                    on_line(line)
        with suppress(ChildProcessError):  # reaped meanwhile
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)  # it closes its outputs before it is dead
        on_end()


def _has_ended(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
