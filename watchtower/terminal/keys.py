"""Single keys of a terminal, without waiting for Enter and without being shown."""

from __future__ import annotations

import os
import select
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Wait = Callable[[float], str]
"""Seconds to wait at most; the key that was pressed, empty for none."""


@contextmanager
def pressed() -> Iterator[Wait]:
    """The terminal is as it was before when this ends. Where standard input is none, nothing is ever pressed."""
    try:
        before = termios.tcgetattr(sys.stdin)
    except (termios.error, ValueError, OSError):
        yield _never
        return
    tty.setcbreak(sys.stdin, termios.TCSADRAIN)
    try:
        yield _wait
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _wait(seconds: float) -> str:
    ready, _, _ = select.select([sys.stdin], [], [], seconds)
    if not ready:
        return ""
    data = os.read(sys.stdin.fileno(), 64)
    return data.decode("ascii", errors="replace")[-1:].lower() if data else "q"  # the terminal is gone


def _never(seconds: float) -> str:
    select.select([], [], [], seconds)
    return ""
