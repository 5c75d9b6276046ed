"""manage.py as a part of a pipe."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from realm.world import CHECKOUT

pytestmark = pytest.mark.slow


def test_a_reader_that_has_seen_enough_is_no_fault(tmp_path: Path) -> None:
    """The read end is closed before the first word: every write fails, as behind `head` that has ended."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "wb") as nobody:
        run = subprocess.run(
            [sys.executable, "manage.py", "skill", "show", "bin"],
            cwd=CHECKOUT,
            env=os.environ | {"REALM_HOME": str(tmp_path / "world")},
            stdout=nobody,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert (run.returncode, run.stderr) == (141, b"")
