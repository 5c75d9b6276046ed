"""The vault's promises: B1 and B2 by `flip`, and those of each `vault_*.py` beside this file.

Each part has a process of its own, whose world lies in an empty folder: some fork, and some set Django up.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from realm.world import CHECKOUT
from tests.campaigns.report import Figure, show_json

PARTS = ("flip", *sorted(path.stem for path in Path(__file__).parent.glob("vault_*.py")))


def run(home: Path, *, seed: int, quick: bool, count: int | None) -> list[Figure]:
    return [figure for part in PARTS for figure in _part(part, home / part, seed=seed, quick=quick, count=count)]


def _part(part: str, home: Path, *, seed: int, quick: bool, count: int | None) -> list[Figure]:
    home.mkdir()
    command = [sys.executable, "-m", "tests.campaigns.vault", part, str(home), "--seed", str(seed)]
    command += ["--quick"] if quick else []
    command += ["--count", str(count)] if count is not None else []
    done = subprocess.run(
        command, cwd=CHECKOUT, env=os.environ | {"REALM_HOME": str(home / "world")}, stdout=subprocess.PIPE, text=True
    )
    figures = [Figure(**json.loads(line)) for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode:
        figures.append(Figure(promise=part, what="the campaign itself", figure="broke off", wanted="ends", kept=False))
    return figures


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("home", type=Path)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--count", type=int)
    asked = parser.parse_args()
    perform: Callable[..., list[Figure]] = import_module(f"tests.campaigns.{asked.part}").run
    show_json(perform(asked.home, seed=asked.seed, quick=asked.quick, count=asked.count))


if __name__ == "__main__":
    main()
