"""The parent's side of confined children: one for each model, started when first asked, ended when it takes too long.

Models do not wait for each other. A child answers one job at a time; a job that overruns ends it, and the next one
starts another.
"""

from __future__ import annotations

import atexit
import itertools
import os
import queue
import signal
import sys
import threading
import time
from typing import Any

import psutil

from arena.confined import messages
from arena.rows.overrun import Overrun
from realm.processes.child import ChildProcess
from realm.processes.launcher import without_launcher

COMMAND = (sys.executable, "-m", "arena.confined")
LONGEST_SECONDS = 4.0
"""Of a job: of this process's clock, unless the child computed for less, because the machine was busy with others."""
PATIENCE = 5
"""How often that time at most, however little the child computed."""
SECONDS_A_MEGABYTE = 1.0
"""More for long rows."""
START_SECONDS = 60.0
MOST_CHILDREN = 4
_LOOK_SECONDS = 0.25
MEGABYTE = 10**6
WHAT = "its chat template or tokenizer"


class Unavailable(Overrun):
    """Nothing could be asked: the machine is in trouble, and no model is to blame."""


class ConfinedChild:
    """Threads may ask at once; they are answered one after the other."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._child: ChildProcess | None = None
        self._heard: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        """Lines of the child's, then None when it has ended."""

    @property
    def busy(self) -> bool:
        return self._turn.locked()

    def ask(self, job: dict[str, Any], *, about: str) -> Any:
        """What the child replies. Raises MaskingError, UnusableTokenizer, or Overrun, which begins with `about`."""
        line = messages.to_line(job)
        with self._turn:
            if self._child is None or not self._child.alive:
                self._start()
            reply = self._reply(line, LONGEST_SECONDS + SECONDS_A_MEGABYTE * (len(line) // MEGABYTE), about)
        try:
            return messages.value_of(messages.from_line(reply))
        except Overrun as error:
            raise Overrun(f"{about}: {error}") from None

    def end(self) -> None:
        with self._turn:
            self._kill()

    def _reply(self, line: bytes, seconds: float, about: str) -> bytes:
        assert self._child is not None
        process = psutil.Process(self._child.pid)
        computed_before = _computed_seconds(process)
        self._child.send(line)
        began = time.monotonic()
        while True:
            try:
                reply = self._heard.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                passed, computed = time.monotonic() - began, _computed_seconds(process) - computed_before
                if passed < seconds or (computed < seconds and passed < seconds * PATIENCE):
                    continue
                self._kill()
                raise Overrun(f"{about}: {WHAT} ran for more than {seconds:.0f} s") from None
            if reply is None:
                code = self._kill()
                if code == -signal.SIGKILL:  # nobody here sends it: the system was out of memory
                    raise Unavailable(f"{about}: the system ended what examined it")
                raise Overrun(f"{about}: {WHAT} needed too much memory, or broke what ran it (exit code {code})")
            return reply

    def _start(self) -> None:
        self._kill()
        heard = self._heard = queue.SimpleQueue()
        try:
            self._child = ChildProcess.conversing(
                COMMAND, None, on_line=heard.put, on_end=lambda: heard.put(None), env=without_launcher(os.environ)
            )
        except OSError as error:
            raise Unavailable(f"the confined process cannot be started: {error}") from error
        try:
            ready = heard.get(timeout=START_SECONDS)
        except queue.Empty:
            ready = None
        if ready != messages.READY:
            self._kill()
            raise Unavailable("the confined process cannot be started; its error stands in this process's log")

    def _kill(self) -> int | None:
        if self._child is None:
            return None
        code = self._child.reap()
        self._child = None
        return code


class Children:
    """One child for each model, by what tells models apart; those that were asked longest ago make room."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._children: dict[str, ConfinedChild] = {}
        """In the order of use."""

    def child_of(self, model: str) -> ConfinedChild:
        with self._lock:
            child = self._children.pop(model, None) or ConfinedChild()
            self._children[model] = child
            over = len(self._children) - MOST_CHILDREN
            idle = [key for key, each in self._children.items() if each is not child and not each.busy]
            leaving = [self._children.pop(key) for key in itertools.islice(idle, max(0, over))]
        for each in leaving:
            each.end()
        return child

    def end(self) -> None:
        with self._lock:
            leaving, self._children = list(self._children.values()), {}
        for each in leaving:
            each.end()


CHILDREN = Children()
"""Of this process; one that is killed leaves them to end by the end of their input."""
atexit.register(CHILDREN.end)


def _computed_seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)
