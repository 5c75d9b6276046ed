"""A battle's streams are written on a thread of their own: a slow folder keeps no step waiting."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO

from arena.training.saving.patience import Patience

log = logging.getLogger(__name__)

MOST_WAITING = 100_000
"""Records that memory holds, about 30 MB; beyond that steps wait for the folder, however slow it is."""

Action = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Record:
    """Bytes to be appended to one of the files."""

    file: BinaryIO
    data: bytes


class LogWriter:
    """Writes in the order in which it was told to; records that wait together go out in one piece a file.

    What fails is raised by the next call, and nothing is written behind it.
    """

    def __init__(self, append: Callable[[BinaryIO, bytes], object], *, order: Sequence[BinaryIO], name: str) -> None:
        """`append` brings a piece into one of the files of `order`, the first of them first."""
        self._append = append
        self._order = order
        self._name = name
        self._patience = Patience()
        self._changed = threading.Condition()
        self._waiting: deque[Action | Record] = deque()
        self._told = self._done = 0
        """Of all that was ever told, how much; and how much of that is written."""
        self._error: BaseException | None = None
        self._closed = False
        self._thread: threading.Thread | None = None

    def append(self, file: BinaryIO, data: bytes) -> None:
        """Returns at once, unless very much waits already."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._waiting) < MOST_WAITING or self._error)
            self._put(Record(file, data))

    def do(self, action: Action, *, must: bool = False) -> None:
        """Have `action` done behind all that was told before; with `must` it is done when this returns.

        Without, it is too, where the folder is quick.
        """
        with self._changed:
            number = self._put(action)
            if not self._wait_until(number, None if must else self._patience.seconds):
                self._go_on_without()
            self._raise()

    def flush(self) -> None:
        """Until all that was told is written."""
        with self._changed:
            self._wait_until(self._told, None)
            self._raise()

    def close(self) -> None:
        """Write what waits, and end the thread. Raises nothing; `flush` still tells of an error."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread:
            self._thread.join()

    def _put(self, what: Action | Record) -> int:
        self._raise()
        if self._thread is None:
            self._thread = threading.Thread(target=self._write_all, name="battle-log", daemon=True)
            self._thread.start()
        self._waiting.append(what)
        self._told += 1
        self._changed.notify_all()
        return self._told

    def _wait_until(self, number: int, seconds: float | None) -> bool:
        return bool(self._changed.wait_for(lambda: self._done >= number or self._error, seconds))

    def _go_on_without(self) -> None:
        if not self._patience.exhausted:
            log.warning("%s: its folder is slow; the training goes on, and what it says is written later", self._name)
        self._patience.exhausted = True

    def _raise(self) -> None:
        if self._error:
            raise self._error

    def _write_all(self) -> None:
        while count := self._write_next():
            with self._changed:
                self._done += count
                self._changed.notify_all()

    def _write_next(self) -> int:
        """How much of what was told is written by this; 0 at the end, which an error is, too."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            taken = self._take()
        started = time.monotonic()
        try:
            for action in self._actions(taken):
                action()
        except BaseException as error:  # it crosses over to the training thread, which raises it
            with self._changed:
                self._error = error
                self._changed.notify_all()
            return 0
        if taken:
            self._patience.took(time.monotonic() - started)
        return len(taken)

    def _take(self) -> list[Action | Record]:
        """The next action, or all records before it."""
        taken: list[Action | Record] = []
        while self._waiting and (not taken or isinstance(self._waiting[0], Record)):
            taken.append(self._waiting.popleft())
            if not isinstance(taken[-1], Record):
                break
        return taken

    def _actions(self, taken: list[Action | Record]) -> Iterator[Action]:
        yield from (each for each in taken if not isinstance(each, Record))
        for file in self._order:
            if piece := b"".join(each.data for each in taken if isinstance(each, Record) and each.file is file):
                yield partial(self._append, file, piece)
