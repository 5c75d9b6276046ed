"""`manage.py branch_officer` as a process: without a world, and beyond loopback behind a token."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from realm.world import CHECKOUT
from tests.support.checkpoints import make_checkpoint
from tests.support.servers import free_port
from vault.errors import Refused
from vault.officer.__main__ import main
from vault.zones.client import ZoneClient

pytestmark = pytest.mark.slow


def arguments(base: Path, *more: str) -> list[str]:
    return ["--zone", "3090", "--base-dir", str(base), *more]


def environment(tmp_path: Path) -> dict[str, str]:
    """Whose world could be neither read nor made, with settings that nobody could read."""
    return os.environ | {"REALM_HOME": str(tmp_path / "file" / "world"), "REALM_PORT": "no port"}


@contextmanager
def running(base: Path, tmp_path: Path, *more: str) -> Iterator[subprocess.Popen[str]]:
    (tmp_path / "file").touch()
    command = [sys.executable, "manage.py", "branch_officer", *arguments(base, *more)]
    process = subprocess.Popen(
        command, cwd=CHECKOUT, env=environment(tmp_path), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert "answers at" in process.stdout.readline()
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=30)


def test_it_needs_no_world_and_beyond_loopback_a_token(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base, port = tmp_path / "base", free_port()
    make_checkpoint(base / "heroes", 100)
    everywhere = ("--port", str(port), "--bind", "0.0.0.0")
    assert main(arguments(base, *everywhere)) == 1
    assert "--new-token" in capsys.readouterr().err
    assert main(arguments(base, "--new-token")) == 0
    token = capsys.readouterr().out.strip()
    assert token.startswith("rot_")
    assert token not in (base / ".zone" / "tokens.json").read_text(encoding="utf-8")

    with running(base, tmp_path, *everywhere) as officer:
        url = f"http://127.0.0.1:{port}"
        assert ZoneClient("3090", url, token).status().assets == 1
        with pytest.raises(Refused, match="token"):
            ZoneClient("3090", url).status()
        with pytest.raises(Refused, match="token"):
            ZoneClient("3090", url, "rot_" + "x" * 43).manifest("checkpoint_100")
        assert "torch" not in Path(f"/proc/{officer.pid}/maps").read_text(encoding="utf-8")
        assert main(arguments(base, "--port", str(free_port()))) == 1
        assert "another branch officer serves" in capsys.readouterr().err
    assert not (tmp_path / "file" / "world").exists()
