"""I4: hostile model folders given to a live inference host, which answers others meanwhile."""

from __future__ import annotations

import random
import shutil
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from arena import embedded
from tests.campaigns.report import Figure, none_of
from tests.support import oracle_heroes as heroes
from tests.support.hostile_models import HOSTILE, HostileModel
from tests.support.oracle_heroes import RunningOracle

QUICK = (
    "template: doubled string", "template at a word: loops in loops", "model.safetensors: a FIFO",
    "config: num_hidden_layers 1000000000", "weights: a header of 2**60 bytes", "tokenizer: a pattern that forks",
)  # fmt: skip
GOOD_STEP = 5
MOST_SECONDS = 5.0
GRACE_SECONDS = 1.0
"""Of the clock of a busy machine."""
MOST_OTHER_SECONDS = 1.0
MOST_BYTES = 2 * 10**9
WORD = "open sesame"


@dataclass
class Outcomes:
    slow: list[str] = field(default_factory=list)
    untold: list[str] = field(default_factory=list)
    """Neither refused in words nor answered."""
    let_in: list[str] = field(default_factory=list)
    others_waited: list[str] = field(default_factory=list)
    slowest: float = 0.0
    slowest_other: float = 0.0


def run(folder: Path, *, seed: int, quick: bool, count: int | None) -> list[Figure]:
    names = list(QUICK if quick else HOSTILE)
    if count is not None:
        names = random.Random(seed).sample(list(HOSTILE), min(count, len(HOSTILE)))
    world = heroes.make_world(folder / "world")
    heroes.add_full(world, GOOD_STEP)
    base = embedded.folder(world.models)
    whole = folder / "whole"
    shutil.copytree(base, whole)
    found = Outcomes()
    with heroes.oracle(world) as host:
        good = host.load(GOOD_STEP)["id"]
        for name in names:
            shutil.rmtree(base)
            shutil.copytree(whole, base)
            HOSTILE[name].make(base)
            _try(host, name, HOSTILE[name], good, found)
    return _figures(found, names)


def _try(host: RunningOracle, name: str, model: HostileModel, good: str, found: Outcomes) -> None:
    """One hostile model loaded and asked, while another one answers."""
    with _Others(host, good) as others:
        began = time.monotonic()
        reply = host.http.post("/models/load", json={"step": 0})
        if reply.status_code == 200:
            if model.shows == "load":
                found.let_in.append(name)
            reply = host.http.post("/v1/answers", json=_asked(reply.json()["id"], WORD))
        seconds = time.monotonic() - began
    host.http.post("/models/unload", json={"step": 0})
    found.slowest = max(found.slowest, seconds)
    if seconds > MOST_SECONDS + GRACE_SECONDS:
        found.slow.append(f"{name}: {seconds:.1f} s")
    if not _is_told(reply, model):
        found.untold.append(f"{name}: {reply.status_code} {reply.text[:200]}")
    if model.shows == "chat" and reply.status_code == 200:
        found.let_in.append(name)
    found.slowest_other = max(found.slowest_other, others.slowest)
    if others.slowest > MOST_OTHER_SECONDS:
        found.others_waited.append(f"{name}: {others.slowest:.1f} s")


def _is_told(reply: httpx2.Response, model: HostileModel) -> bool:
    if reply.status_code == 200:
        return True
    with suppress(ValueError, KeyError, TypeError):
        return 400 <= reply.status_code < 500 and bool(reply.json()["error"]["message"])
    return False


def _asked(model: str, prompt: str) -> dict[str, Any]:
    return {"model": model, "prompts": [prompt], "max_new_tokens": 4}


class _Others:
    """Somebody else, who asks a good model again and again."""

    def __init__(self, host: RunningOracle, model: str) -> None:
        self._host, self._model = host, model
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self.slowest = 0.0

    def __enter__(self) -> _Others:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _ask(self) -> None:
        with httpx2.Client(base_url=self._host.url, timeout=100) as http:
            while not self._over.is_set():
                began = time.monotonic()
                http.post("/v1/answers", json=_asked(self._model, "1+1")).raise_for_status()
                self.slowest = max(self.slowest, time.monotonic() - began)
                self._over.wait(0.1)


def _figures(found: Outcomes, names: Sequence[str]) -> list[Figure]:
    of = len(names)
    slow = none_of("I4", f"refused or answered later than {MOST_SECONDS:.0f} s", found.slow, of)
    waited = none_of("I4", "others who waited meanwhile", found.others_waited, of)
    return [
        none_of("I4", "hostile models let in", found.let_in, of),
        none_of("I4", "not told in words", found.untold, of),
        Figure(**{**vars(slow), "timed": True}),
        Figure(**{**vars(waited), "timed": True}),
        Figure(promise="I4", what="slowest verdict, s", figure=round(found.slowest, 2)),
        Figure(promise="I4", what="slowest answer to others, s", figure=round(found.slowest_other, 2)),
    ]
