"""Campaigns of safety with a guard taken out: `python -m tests.campaigns.safety_sabotaged NAME`.

Apart from `sabotaged`, whose campaigns train: these need no torch, which takes seconds to import.
"""

from __future__ import annotations

import functools
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from realm.web.guard import Guard
from tests.campaigns import foreign_pages, guard, pages, paths, secrets
from tests.campaigns.report import Figure, show_json
from tests.support import injected

SEED = 3


def no_guard(folder: Path) -> list[Figure]:
    """Whatever asks is let in: nobody looks whence it comes."""
    Guard.refusal = lambda self, scope: None  # type: ignore[method-assign]
    guard.METHODS, guard.ORIGINS = ("GET", "POST"), guard.ORIGINS[8:9]
    asked = ("/health", "/api/stats", "/api/training/control", "/ws/battle/")
    return guard.run(folder, seed=SEED, quick=True, count=None, only=asked)


def no_escaping(folder: Path) -> list[Figure]:
    """Templates put texts into pages as they are."""
    path = injected.with_django(folder, "from django.template import base\nbase.conditional_escape = str\n")
    return pages.run(folder, seed=SEED, quick=True, count=None, PYTHONPATH=path)


def no_path_check(folder: Path) -> list[Figure]:
    """Servers give out whatever an address leads to, below the world or not."""
    home = folder / "world"

    async def careless(scope: Any, receive: Any, send: Any) -> None:
        path = os.path.normpath(f"{home}/{scope['path']}").replace("\0", "")
        body = Path(path).read_bytes() if len(path) < 4000 and os.path.isfile(path) else b""
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    changed = functools.partial(replace, application=careless)
    return paths.run(folder, seed=SEED, quick=False, count=None, change=changed)


def no_guard_in_chromium(folder: Path) -> list[Figure]:
    """The web server looks at nobody, and shares what it answers with every page."""
    path = injected.at_start(folder, _OPEN)
    return foreign_pages.run(folder, seed=SEED, quick=True, count=None, PYTHONPATH=path)


def no_digest(folder: Path) -> list[Figure]:
    """Tokens lie in their file as they are."""
    exec(_PLAIN, {})
    os.environ["PYTHONPATH"] = injected.at_start(folder, _PLAIN)
    return secrets.run(folder, seed=SEED, quick=True, count=2)


_PLAIN = """
from realm.web import tokens

tokens._digest = str
"""
_OPEN = """
from realm.web import answer_headers
from realm.web.guard import Guard

Guard.refusal = lambda self, scope: None
answer_headers._ALWAYS = {b"access-control-allow-origin": b"*"}
"""

SABOTAGES = {each.__name__: each for each in (no_guard, no_guard_in_chromium, no_escaping, no_path_check, no_digest)}

if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="realm-campaign-") as scratch:
        show_json(SABOTAGES[sys.argv[1]](Path(scratch)))
