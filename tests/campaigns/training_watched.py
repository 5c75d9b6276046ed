"""A real hero trains while nobody watches, while two hundred do, and so on in turns: what they cost it. And D4.

P5, D3 (the cost to training), D4.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from websockets.sync.client import connect

from arena import steps
from arena.steps import Records
from realm.world import CHECKOUT
from tests.campaigns.report import Figure
from tests.campaigns.tavern import tavern
from tests.support.live_arena import LiveArena

SOCKETS = STREAMS = 100
TURNS = 6
TURN_SECONDS = 20.0
MOST_SLOWED = 0.02
STALE_SECONDS = 10.0
_SETTLE_SECONDS = 2.0
_HEARTBEAT_SECONDS = 2.0


def figures(folder: Path) -> list[Figure]:
    arena = LiveArena(folder, None)
    settings = {"training": {"epochs": 10_000, "threads": 1, "save_every": 100_000}}
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    arena.drop("watched.jsonl", 2000, seed=1)
    arena.start()
    try:
        arena.wait_for(lambda: _count(arena) > 50, "it trains")
        with tavern(arena.world, core=None) as (port, _):
            return [*_cost(arena, port), *_fresh(arena, port)]
    finally:
        arena.stop()


def _cost(arena: LiveArena, port: int) -> list[Figure]:
    """Tokens a second in turns of A and B, so that whatever else the machine does meets both."""
    alone, watched = [], []
    for _ in range(TURNS):
        alone.append(_speed(arena))
        crowd = _crowd(port, _battle(arena))
        try:
            watched.append(_speed(arena))
        finally:
            crowd.communicate(timeout=60)
    slowed = [1 - with_them / without for without, with_them in zip(alone, watched, strict=True)]
    middle, spread = 100 * statistics.median(slowed), 100 * statistics.stdev(slowed)
    return [
        Figure(
            promise="P5",
            what=f"{SOCKETS} sockets and {STREAMS} streams: training slowed, median of {TURNS} turns",
            figure=f"{middle:+.1f}% (spread {spread:.1f}%, load {os.getloadavg()[0]:.0f})",
            wanted=f"at most {100 * MOST_SLOWED:.0f}%",
            kept=middle <= 100 * MOST_SLOWED,
            timed=True,
        )
    ]


def _crowd(port: int, battle: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.campaigns.crowd", str(port), "--battle", battle]
    crowd = subprocess.Popen(
        [*command, f"--sockets={SOCKETS}", f"--streams={STREAMS}"],
        cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert crowd.stdout
    assert crowd.stdout.readline().strip() == "ready"
    return crowd


def _speed(arena: LiveArena) -> float:
    """Tokens a second from now on, by the steps' own times."""
    time.sleep(_SETTLE_SECONDS)
    start = _count(arena)
    time.sleep(TURN_SECONDS)
    records = _records(arena, start - 1)
    return float(records["tokens"][1:].sum() / np.diff(records["time"][[0, -1]])[0])


def _fresh(arena: LiveArena, port: int) -> list[Figure]:
    """D4: frozen, and thawed; numbers; killed."""
    with connect(f"ws://127.0.0.1:{port}/ws/battle/") as client:

        def until(wanted: Callable[[dict[str, Any]], bool]) -> tuple[dict[str, Any], float]:
            begun = time.monotonic()
            while not wanted(message := json.loads(client.recv(timeout=60))):
                pass
            return message, time.monotonic() - begun

        tick, _ = until(lambda message: message["type"] == "tick" and message["step"] is not None)
        record = next(each for each in _records(arena, 0) if int(each["step"]) == tick["step"])
        shown, written = (tick["loss"], tick["t"]), (round(float(record["loss"]), 6), round(float(record["time"]), 3))
        assert arena.daemon is not None
        os.kill(arena.daemon.pid, signal.SIGSTOP)
        try:
            _, stale_after = until(lambda message: message["type"] == "tick" and message["arena"]["stale"])
        finally:
            os.kill(arena.daemon.pid, signal.SIGCONT)
        arena.kill_daemon()
        _, dead_after = until(lambda message: message["type"] == "tick" and message["arena"]["state"] == "offline")
    limit = STALE_SECONDS + _HEARTBEAT_SECONDS
    return [
        Figure(promise="D4", what="loss and time of a step, shown and written", figure=f"{shown} {written}",
               wanted="equal", kept=shown == written),
        Figure(promise="D4", what="daemon frozen: stale is shown after", figure=f"{stale_after:.1f} s",
               wanted=f"{limit:.0f} s", kept=stale_after <= limit, timed=True),
        Figure(promise="D4", what="daemon killed: it is shown after", figure=f"{dead_after:.1f} s",
               wanted=f"{STALE_SECONDS:.0f} s", kept=dead_after <= STALE_SECONDS, timed=True),
    ]  # fmt: skip


def _battle(arena: LiveArena) -> str:
    return max(path.name for path in arena.world.battles.iterdir() if (path / "steps.bin").exists())


def _count(arena: LiveArena) -> int:
    return sum(steps.count(steps.path_of(arena.world, path.name)) for path in arena.world.battles.iterdir())


def _records(arena: LiveArena, start: int) -> Records:
    path = steps.path_of(arena.world, _battle(arena))
    return steps.read(path, start, steps.count(path))
