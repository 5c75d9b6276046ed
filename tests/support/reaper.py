"""Ends what a test run has started when the run itself is gone, however it went: `python -m tests.support.reaper MARK`.

Every process of a run carries its MARK in the environment, children of children and daemons included. The reaper waits
until its standard input closes, which the kernel sees to even where the run was killed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress

import psutil

VARIABLE = "TESTS_OF_THE_REALM"
"""No REALM_ variable: tests take those out of the environment that they hand on."""


def start() -> subprocess.Popen[bytes]:
    """To be called once, before anything else is started. Closing its standard input ends the run's processes."""
    mark = os.environ[VARIABLE] = f"run-{os.getpid()}"
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.reaper", mark],
        stdin=subprocess.PIPE,
        env={name: value for name, value in os.environ.items() if name != VARIABLE},
        start_new_session=True,
    )


def marked(mark: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.environ().get(VARIABLE) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def main() -> None:
    sys.stdin.buffer.read()
    for process in marked(sys.argv[1]):
        with suppress(psutil.Error):
            process.kill()


if __name__ == "__main__":
    main()
