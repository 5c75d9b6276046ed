"""A campaign in its small form, and one with a guard taken out, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from realm.world import CHECKOUT

Figures = list[dict[str, Any]]


def run(*command: str) -> tuple[int, Figures]:
    """Exit code and figures of `python -m` with `command`."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("REALM_", "DJANGO_"))}
    done = subprocess.run([sys.executable, "-m", *command], cwd=CHECKOUT, env=clean, capture_output=True, text=True)
    assert done.stdout, done.stderr
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def broken(figures: Figures) -> list[str]:
    """Promises of seconds are for campaigns on a quiet machine."""
    return [f"{figure['what']}: {figure['figure']}" for figure in figures if not (figure["kept"] or figure["timed"])]


def check_promises(name: str, *arguments: str) -> None:
    """The campaign keeps what it promises."""
    code, figures = run("tests.campaigns", name, *(arguments or ("--quick",)), "--json")
    assert not broken(figures)
    assert code == (not all(figure["kept"] for figure in figures))
    assert any(figure["wanted"] for figure in figures)


def check_twin(guard: str, found: str, sabotaged: str = "sabotaged") -> None:
    """Without the guard, which the module `sabotaged` takes out, the campaign finds what is then broken."""
    _, figures = run(f"tests.campaigns.{sabotaged}", guard)
    assert any(what.startswith(found) for what in broken(figures)), figures
