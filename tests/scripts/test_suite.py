"""`scripts/test.sh` fails where any of its parts does."""

import shutil
import subprocess
from pathlib import Path

import pytest

from realm.world import CHECKOUT

TOOLS = ("ruff", "djlint", "lint-imports", "mypy", "python")


def run_with(folder: Path, failing: str) -> int:
    """Exit code of the script over stand-ins for its tools, of which one fails."""
    (folder / "scripts").mkdir()
    shutil.copy(CHECKOUT / "scripts" / "test.sh", folder / "scripts")
    (folder / "scripts" / "environment.sh").write_text("ensure_environment() { :; }\n")
    tools = folder / ".venv" / "bin"
    tools.mkdir(parents=True)
    for name in TOOLS:
        (tools / name).write_text(f'#!/bin/sh\ncase "{name} $*" in {failing}*) exit 3 ;; esac\n')
        (tools / name).chmod(0o755)
    return subprocess.run(["scripts/test.sh", "--quick"], cwd=folder, capture_output=True).returncode


@pytest.mark.parametrize(
    "failing",
    ["ruff\\ format", "ruff\\ check", "djlint", "lint-imports", "mypy", "python\\ manage.py", "python\\ -m\\ pytest"],
)
def test_a_part_that_fails_fails_the_whole(tmp_path: Path, failing: str) -> None:
    assert run_with(tmp_path, failing) != 0


def test_twin_where_all_parts_pass_it_passes(tmp_path: Path) -> None:
    assert run_with(tmp_path, "nothing") == 0
