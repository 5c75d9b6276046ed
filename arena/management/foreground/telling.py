"""Progress of a training in the foreground: a bar on a terminal, lines anywhere else, and the same lines in a log."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.core.management.base import OutputWrapper
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn

from arena.management.foreground.following import Seen
from arena.preview.terminal import visible
from arena.protocol import Event

LINE_SECONDS = 10.0
EVENT = "train_progress"
"""Of the lines in the log."""
log = logging.getLogger("arena.train")


class Teller:
    """What is said goes to the console and to the log; the newest step to the bar, and every LINE_SECONDS to both."""

    def __init__(self, out: OutputWrapper, wanted: int | None, clock: Callable[[], float] = time.monotonic) -> None:
        """`wanted`: steps after which the training is done; None: as many as it takes."""
        self._wanted, self._clock = wanted, clock
        self._line_at = clock()
        self._is_terminal = out.isatty()
        self._console = Console(file=out, soft_wrap=True, highlight=False)  # type: ignore[arg-type]
        self._bar = Progress(
            BarColumn(bar_width=20), TextColumn("{task.description}"), console=self._console, transient=True,
            disable=not self._is_terminal,
        )  # fmt: skip
        self._task = self._bar.add_task("waiting", total=wanted)

    @contextmanager
    def shown(self) -> Iterator[None]:
        with self._bar:
            yield

    def say(self, text: str) -> None:
        line = " ".join(visible(text).split())
        self._console.print(escape(line))
        log.info(line, extra={"event": EVENT})

    def show(self, seen: Seen, done: int) -> None:
        """What is new since the look before."""
        for event in seen.events:
            self.say(in_words(event))
        line = progress_line(seen, done, self._wanted)
        total = self._wanted if self._wanted is not None else seen.total
        self._bar.update(
            self._task, description=escape(line), total=total,
            completed=done if self._wanted is not None else seen.quest_step or 0,
        )  # fmt: skip
        if self._clock() - self._line_at >= LINE_SECONDS:
            self._line_at = self._clock()
            log.info(line, extra={"event": EVENT}) if self._is_terminal else self.say(line)


def in_words(event: Event) -> str:
    return f"step {event.step}: {event.message}"


def progress_line(seen: Seen, done: int, wanted: int | None) -> str:
    """`step 120, 20 of 100 · loss 1.2345 · lr 0.0005 · 3.2 steps/s · 0:00:25 left`, and why nothing is fought."""
    parts = [f"step {seen.step}, {done}{f' of {wanted}' if wanted is not None else ' more'}"]
    if seen.state != "training":
        parts.append(f"{seen.state}{f': {visible(seen.message)}' if seen.message else ''}")
    if seen.loss is not None:
        parts.append(f"loss {seen.loss:.4f}")
    if seen.learning_rate is not None:
        parts.append(f"lr {seen.learning_rate:.3g}")
    if seen.steps_per_second:
        parts.append(f"{seen.steps_per_second:.3g} steps/s")
        left = _left(seen, done, wanted)
        if left is not None:
            minutes, seconds = divmod(round(left / seen.steps_per_second), 60)
            parts.append(f"{minutes // 60}:{minutes % 60:02}:{seconds:02} left")
    return " · ".join(parts)


def _left(seen: Seen, done: int, wanted: int | None) -> int | None:
    if wanted is not None:
        return max(0, wanted - done)
    return max(0, seen.total - seen.quest_step) if seen.total is not None and seen.quest_step is not None else None


@contextmanager
def quiet_console() -> Iterator[None]:
    """What this process logs goes to its file alone; to the console only what is a warning or worse."""
    consoles = [handler for handler in logging.getLogger().handlers if getattr(handler, "stream", None) is sys.stderr]
    levels = [handler.level for handler in consoles]
    for handler in consoles:
        handler.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for handler, level in zip(consoles, levels, strict=True):
            handler.setLevel(level)
