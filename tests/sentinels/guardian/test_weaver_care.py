"""The supervisord that the guardian keeps alive is this world's own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from realm.world import World
from sentinels.guardian import weaver
from tests.support.servers import wait_until


@pytest.mark.parametrize(("of", "is_ours"), [("ours", True), ("another", False), ("ours-too", False)])
def test_the_number_in_the_file_is_believed_of_this_worlds_own_supervisord(
    tmp_path: Path, of: str, is_ours: bool
) -> None:
    """Numbers are given out again, and whom the guardian takes for a frozen supervisord it kills."""
    world = World(tmp_path / "ours")
    world.control.mkdir(parents=True)
    named = str(World(tmp_path / of).control / "supervisord.conf")
    command = ["/bin/sh", "-c", "read line # supervisor.supervisord", "sh", named]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        (world.control / weaver.PID_FILE).write_text(str(process.pid))
        # The kernel tells the new program's arguments a moment after it has begun.
        wait_until(lambda: Path(f"/proc/{process.pid}/cmdline").read_bytes() != b"")
        assert weaver._supervisor(world) == (process.pid if is_ours else None)
        process.kill()
