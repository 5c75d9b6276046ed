"""Starts a process of its own for a waiting run, which lives on when whoever started it ends."""

from __future__ import annotations

import subprocess
import sys

from guild.models import Run
from realm.world import CHECKOUT, World

LOG_FILE = "runs.log"


def launch(world: World, run: Run) -> int:
    """Returns the process's number. If the Task Master takes the run first, this one finds nothing to do."""
    with open(world.logs / LOG_FILE, "ab") as output:
        process = subprocess.Popen(
            [sys.executable, str(CHECKOUT / "manage.py"), "perform", str(run.pk)],
            cwd=CHECKOUT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return process.pid
