"""supervisord where nothing that it logs can be written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from realm.weaver.supervisord import PROGRAM
from tests.support.servers import wait_until

pytestmark = pytest.mark.slow

CONFIG = """\
[supervisord]
nodaemon = true
silent = true
pidfile = {folder}/pid
logfile = /dev/full
logfile_maxbytes = 0
"""


def supervise(folder: Path, *program: str) -> subprocess.Popen[bytes]:
    config = folder / "weaver.conf"
    config.write_text(CONFIG.format(folder=folder))
    with open("/dev/full", "wb") as full:
        return subprocess.Popen([sys.executable, "-P", *program, "-c", str(config)], stdout=full, stderr=full)


def test_the_weaver_outlives_a_full_disk(tmp_path: Path) -> None:
    running = supervise(tmp_path, "-c", PROGRAM)
    try:
        wait_until(lambda: (tmp_path / "pid").exists() or running.poll() is not None)  # behind its first lines
        assert running.poll() is None
    finally:
        running.kill()
        running.wait()


def test_twin_as_it_comes_supervisord_ends(tmp_path: Path) -> None:
    assert supervise(tmp_path, "-m", "supervisor.supervisord").wait(30) != 0
