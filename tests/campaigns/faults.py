"""A fault at the n-th system call of one kind in the calling thread: a kill, or an error that the kernel gives back.

`strace` injects it, attached to this one thread, so that what others do meanwhile is not counted and writes of compiled
libraries are met too. Where strace is not there, or may not attach, the same calls are replaced in Python: then writes
go unmet, and only what the standard library's `os` is called for counts.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

CHANGING = (
    "write", "pwrite64", "writev", "copy_file_range", "sendfile", "fallocate", "ftruncate", "fsync", "fdatasync",
    "rename", "renameat", "renameat2", "link", "linkat", "mkdir", "mkdirat", "unlink", "unlinkat", "rmdir",
)  # fmt: skip
"""System calls that change what is on the disk, or make it last."""
IN_PYTHON = {"fsync": ("fsync",), "rename": ("rename", "replace"), "mkdir": ("mkdir",), "unlink": ("unlink", "remove")}
"""What stands for a system call where strace does not: functions of `os`."""
_CALL = re.compile(r"^(?:\d+ +)?(\w+)\(")
ATTACH_SECONDS = 10.0

Effect = Literal["kill", "ENOSPC", "EIO"]


@dataclass(frozen=True, kw_only=True)
class Fault:
    call: str
    number: int
    """Counted from 1."""
    effect: Effect
    lasting: bool = False
    """Whether later calls of this kind meet it too, until it is lifted."""

    def __str__(self) -> str:
        return f"{self.effect} at {self.call} {self.number}{' and after' if self.lasting else ''}"

    @property
    def injection(self) -> str:
        """As strace spells it."""
        effect = "signal=KILL" if self.effect == "kill" else f"error={self.effect}"
        return f"inject={self.call}:{effect}:when={self.number}{'+' if self.lasting else ''}"


@cache
def has_strace() -> bool:
    """Whether strace is installed and may attach to a process of ours."""
    if shutil.which("strace") is None:
        return False
    done = subprocess.run(["strace", "-q", "-o", "/dev/null", "true"], capture_output=True)
    return done.returncode == 0


def how() -> str:
    return "system calls, by strace" if has_strace() else "calls of os, in Python (strace is not at hand)"


class Strike:
    """What was laid on the calling thread; `lift` takes it away, from any thread."""

    def __init__(self, fault: Fault | None, *, trace: Path) -> None:
        """Without a fault calls are only counted: `calls_in(trace)` reads them."""
        self._tracer = _attach(fault, trace) if has_strace() else None
        self._restore = _replace(fault, trace) if self._tracer is None else None

    def lift(self) -> None:
        if self._tracer is not None and self._tracer.poll() is None:
            self._tracer.terminate()
            self._tracer.wait()
        if self._restore is not None:
            self._restore()
            self._restore = None


def calls_in(trace: Path) -> Counter[str]:
    matches = (_CALL.match(line) for line in trace.read_text(errors="replace").splitlines())
    return Counter(match[1] for match in matches if match)


def _attach(fault: Fault | None, trace: Path) -> subprocess.Popen[bytes]:
    thread = threading.get_native_id()
    command = ["strace", "-q", "-p", str(thread), "-o", str(trace), "-e", f"trace={','.join(CHANGING)}"]
    tracer = subprocess.Popen(command + (["-e", fault.injection] if fault else []), stderr=subprocess.PIPE)
    status = Path(f"/proc/self/task/{thread}/status")
    deadline = time.monotonic() + ATTACH_SECONDS
    while "TracerPid:\t0\n" in status.read_text():
        if tracer.poll() is not None or time.monotonic() > deadline:
            said = tracer.stderr.read().decode() if tracer.poll() is not None and tracer.stderr else "it hangs"
            raise RuntimeError(f"strace cannot attach: {said}")
        time.sleep(0.002)
    return tracer


def _replace(fault: Fault | None, trace: Path) -> Callable[[], None]:
    # The native number: Python's own is given to the next thread that starts after this one has ended.
    thread, counts = threading.get_native_id(), Counter[str]()
    originals = {name: getattr(os, name) for names in IN_PYTHON.values() for name in names}

    def watched(call: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def perform(*rest: Any, **named: Any) -> Any:
            if threading.get_native_id() == thread:
                counts[call] += 1
                with open(trace, "a") as file:
                    file.write(f"{call}()\n")
                if fault and fault.call == call:
                    _meet(fault, counts[call])
            return original(*rest, **named)

        return perform

    for call, names in IN_PYTHON.items():
        for name in names:
            setattr(os, name, watched(call, originals[name]))

    def restore() -> None:
        for name, original in originals.items():
            setattr(os, name, original)

    return restore


def _meet(fault: Fault, count: int) -> None:
    if count < fault.number or (count > fault.number and not fault.lasting):
        return
    if fault.effect == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    code = getattr(errno, fault.effect)
    raise OSError(code, os.strerror(code))
