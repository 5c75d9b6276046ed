"""E4: models that run a program when they are loaded carelessly, given to an inference host: no canary appears."""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from arena import embedded
from tests.campaigns.report import Figure, none_of
from tests.support import oracle_heroes as heroes
from tests.support.armed_models import ARMED, HARMLESS
from tests.support.oracle_heroes import RunningOracle

MOST_SECONDS = 5.0
QUICK = ("pytorch_model.bin", "auto_map of a model", "template that reaches for globals")


@dataclass
class Found:
    canaries: list[str] = field(default_factory=list)
    let_in: list[str] = field(default_factory=list)
    untold: list[str] = field(default_factory=list)
    slow: list[str] = field(default_factory=list)


def run(folder: Path, *, seed: int, quick: bool, count: int | None, **variables: str) -> list[Figure]:
    """`variables` of the host's environment are for those who try the campaign itself. Nothing is left to chance."""
    names = list(QUICK if quick else ARMED)[:count]
    world = heroes.make_world(folder / "world")
    base, whole = embedded.folder(world.models), folder / "whole"
    shutil.copytree(base, whole)
    found = Found()
    with heroes.oracle(world, **variables) as host:
        host.load(0)  # the first one waits for torch
        host.post("/models/unload", step=0)
        for number, name in enumerate(names):
            shutil.rmtree(base)
            shutil.copytree(whole, base)
            canary = folder / f"canary-{number}"
            ARMED[name](base, canary)
            _try(host, name, canary, found)
    return figures(found, names)


def _try(host: RunningOracle, name: str, canary: Path, found: Found) -> None:
    began = time.monotonic()
    reply = host.http.post("/models/load", json={"step": 0})
    if reply.status_code == 200:
        asked = {"model": reply.json()["id"], "messages": [{"role": "user", "content": "1+1"}], "max_tokens": 4}
        reply = host.http.post("/v1/chat/completions", json=asked)
    seconds = time.monotonic() - began
    host.http.post("/models/unload", json={"step": 0})
    if canary.exists():
        found.canaries.append(name)
    if reply.status_code == 200 and name not in HARMLESS:
        found.let_in.append(name)
    if reply.status_code != 200 and not _in_words(reply):
        found.untold.append(f"{name}: {reply.status_code} {reply.text[:200]}")
    if seconds > MOST_SECONDS:
        found.slow.append(f"{name}: {seconds:.1f} s")


def _in_words(reply: httpx2.Response) -> bool:
    with suppress(ValueError, KeyError, TypeError):
        return 400 <= reply.status_code < 500 and bool(reply.json()["error"]["message"])
    return False


def figures(found: Found, names: list[str]) -> list[Figure]:
    slow = none_of("E4", f"verdicts later than {MOST_SECONDS:.0f} s", found.slow, len(names))
    return [
        none_of("E4", "canaries", found.canaries, len(names)),
        none_of("E4", "armed models let in", found.let_in, len(names)),
        none_of("E4", "not refused in words", found.untold, len(names)),
        Figure(**{**vars(slow), "timed": True}),
    ]
