"""Code that processes of a test run as they start, by a `sitecustomize` in a folder that PYTHONPATH is to name."""

from __future__ import annotations

import os
import textwrap
from pathlib import Path

from realm.world import CHECKOUT

_STAND_IN_TRAINER = """
import sys
from arena.daemon.trainer.process import TrainerProcess

TrainerProcess.__init__.__defaults__ = ((sys.executable, "-m", "tests.support.stand_in_trainer"),)
"""


def at_start(folder: Path, code: str) -> str:
    """A PYTHONPATH with which every Python process begins by running `code`; `folder` holds it from then on."""
    injected = folder / "injected"
    injected.mkdir(parents=True)
    (injected / "sitecustomize.py").write_text(code)
    return os.pathsep.join([str(injected), str(CHECKOUT)])


def with_django(folder: Path, code: str, *, everywhere: str = "") -> str:
    """The same for `code` that needs models; it runs when Django is set up. `everywhere` runs in every process."""
    indented = textwrap.indent(code, "    ")
    return at_start(
        folder,
        f"{everywhere}\nimport django\n\nset_up = django.setup\n\ndef setup(*rest, **named):\n"
        f"    set_up(*rest, **named)\n{indented}\ndjango.setup = setup\n",
    )


def without_training(folder: Path, code: str = "", *, everywhere: str = "") -> str:
    """The same for arenas in which nothing is trained: their trainer stands in, and imports no torch."""
    return with_django(folder, _STAND_IN_TRAINER + code, everywhere=everywhere)
