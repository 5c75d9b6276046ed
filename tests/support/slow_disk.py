"""A disk that is slow while a test wants it, for processes that are started with its environment; see slow_disk.c."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

SOURCE = Path(__file__).with_suffix(".c")


class SlowDisk:
    def __init__(self, scratch: Path, below: Iterable[Path]) -> None:
        """Every call to what lies in the folders `below` is slowed."""
        scratch.mkdir(parents=True, exist_ok=True)
        self._seconds, library = scratch / "seconds", scratch / "slow_disk.so"
        self.call_seconds(0.0)
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, SOURCE, "-ldl"], check=True)
        self.environment = {
            "LD_PRELOAD": str(library),
            "SLOW_SECONDS_FILE": str(self._seconds),
            "SLOW_BELOW": ":".join(f"{folder}/" for folder in below),  # a link that leads there is no slower itself
        }

    def call_seconds(self, seconds: float) -> None:
        """From now on each call takes so long; at 0 the disk is as quick as it is."""
        temp = self._seconds.with_name("seconds.new")
        temp.write_text(f"{seconds:g}")
        os.replace(temp, self._seconds)
