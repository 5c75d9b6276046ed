"""Tests of the suite that have a small form there: each as a whole, by pytest and its marker `large`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from realm.world import CHECKOUT
from tests.campaigns.report import Figure

LONGEST_SECONDS = 3600


def run(folder: Path, *, seed: int, quick: bool, count: int | None) -> list[Figure]:
    """Nothing of it depends on chance, and it has one size."""
    command = [sys.executable, "-m", "pytest", "-q", "-m", "large", "-n", "2", "--basetemp", str(folder / "pytest")]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=LONGEST_SECONDS)
    told = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else done.stderr.strip()[-200:]
    return [Figure(promise="C1", what="large forms", figure=told, wanted="all pass", kept=done.returncode == 0)]
