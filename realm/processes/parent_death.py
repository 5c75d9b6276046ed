"""A process that ends with the one that started it, however that one ends: by the kernel's hand, on Linux."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with(parent: int) -> None:
    """Be killed at once when `parent`, the number of the process that started this one, is gone; also if it is by now.

    Elsewhere than on Linux nothing is done.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before that was asked for
        os.kill(os.getpid(), signal.SIGKILL)
