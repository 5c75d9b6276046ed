"""A process that somebody holds by its standard input, and that is to end with whoever that is."""

from __future__ import annotations

import os
import signal
import sys
import threading


def end_with_input() -> None:
    """From now on the end of standard input is a SIGTERM to this process: whoever started it is gone, or killed."""
    threading.Thread(target=_wait_for_end, daemon=True).start()


def _wait_for_end() -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
