"""P6 beside a stronghold that takes five seconds a call: a bucket, whose copies are made while a hero trains.

Then battles and checkpoints on a mount that takes as long: see slow_mount.py. A save's stall is that which its event
tells: for so long the training stood still for it, on a clock of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

import yaml

from arena.protocol import EVENTS_FILE, EventKind
from realm.world import CHECKOUT
from tests.campaigns import slow_mount
from tests.campaigns.battles import steps_of
from tests.campaigns.report import Figure
from tests.support import tiny_hero
from tests.support.fault_proxy import Faults, Wire, wire
from tests.support.live_arena import LiveArena
from tests.support.stronghold_servers import BUCKET, KEYS, bucket

TURNS, QUICK_TURNS = 3, 1
ROWS, QUICK_ROWS = 16_000, 2000
CALL_SECONDS, QUICK_CALL_SECONDS = 5.0, 0.5
STALL_MS = 20.0
WARMUP_STEPS = 10
NICE = 10
"""As of the Task Master's children."""
SAVE_EVERY = 40
"""Steps that take longer than a save on a local disk does."""


def run(folder: Path, *, seed: int, quick: bool, count: int | None) -> list[Figure]:
    """`count`: turns; in each the same battle is fought without a stronghold and with one, by two new worlds."""
    base = tiny_hero.make_base(folder / "base")
    rows, call_seconds = (QUICK_ROWS, QUICK_CALL_SECONDS) if quick else (ROWS, CALL_SECONDS)
    stalls: dict[str, list[float]] = {"without": [], "with": []}
    steps: dict[str, list[float]] = {"without": [], "with": []}
    with bucket() as options, _slow(str(options["endpoint_url"]), call_seconds) as slow:
        for turn in range(count or (QUICK_TURNS if quick else TURNS)):
            for name in stalls:
                arena = LiveArena(folder / f"{name}-{turn}", base, training={"save_every": SAVE_EVERY})
                if name == "with":
                    _add_stronghold(arena, slow, prefix=f"turn-{turn}")
                with _copying(arena, on=name == "with"):
                    _fight(arena, rows, seed + turn)
                took = _seconds_of_steps(arena)
                stalls[name] += _stalls(arena)
                steps[name].append(sum(took[WARMUP_STEPS:]))
        calls = slow.connections
    beside = _figures(stalls, steps, calls=calls, call_seconds=call_seconds)
    return [*beside, *slow_mount.run(folder / "mount", quick=quick)]


@contextmanager
def _slow(endpoint: str, seconds: float) -> Iterator[Wire]:
    """Every piece that goes through it waits for so long, so that no call is faster."""
    at = urlsplit(endpoint)
    with wire(str(at.hostname), at.port or 80, lambda number: Faults(pause_seconds=seconds)) as told:
        yield told


def _add_stronghold(arena: LiveArena, slow: Wire, *, prefix: str) -> None:
    (arena.world.home / "secrets").mkdir(exist_ok=True)
    (arena.world.home / "secrets" / "bucket.yaml").write_text(yaml.safe_dump(KEYS))
    arena.manage(
        "vault", "strongholds", "add", "bucket", "--url", f"s3://{BUCKET}/{prefix}",
        "--option", f"endpoint_url={slow.url}", "--secret-file", "bucket.yaml",
    )  # fmt: skip


@contextmanager
def _copying(arena: LiveArena, *, on: bool) -> Iterator[None]:
    """`vault copies --apply`, over and over, as the Task Master calls it: behind whoever else wants the processor."""
    stop = threading.Event()
    thread = threading.Thread(target=_copy_until, args=(arena, stop))
    if not on:
        yield
        return
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _copy_until(arena: LiveArena, stop: threading.Event) -> None:
    command = ["nice", f"-n{NICE}", sys.executable, "manage.py", "vault", "copies", "--apply"]
    while not stop.wait(0.5):
        with subprocess.Popen(
            command, cwd=CHECKOUT, env=arena.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as copying:
            while copying.poll() is None:
                if stop.wait(0.1):
                    copying.terminate()
                    break


def _fight(arena: LiveArena, rows: int, seed: int) -> None:
    arena.drop("quest.jsonl", rows, seed=seed)
    try:
        arena.start()
        arena.wait_for(lambda: bool(arena.completed()), "the quest is completed", seconds=600)
    finally:
        arena.stop()


def _seconds_of_steps(arena: LiveArena) -> list[float]:
    """From each step's end to the next one's."""
    (battle,) = arena.world.battles.iterdir()
    ends = [record.time for record in steps_of(battle)]
    return [after - before for before, after in pairwise(ends)]


def _stalls(arena: LiveArena) -> list[float]:
    """Milliseconds that training stood still for each save but the last, which is waited for."""
    (battle,) = arena.world.battles.iterdir()
    events = [json.loads(line) for line in (battle / EVENTS_FILE).read_bytes().splitlines()]
    saves = [event["data"] for event in events if event["kind"] == EventKind.CHECKPOINT_SAVED]
    return [1e3 * (data["stall_seconds"] + data["wait_seconds"]) for data in saves[:-1]]


def _figures(
    stalls: dict[str, list[float]], steps: dict[str, list[float]], *, calls: int, call_seconds: float
) -> list[Figure]:
    ratio = median(steps["with"]) / median(steps["without"]) - 1
    return [
        *(
            Figure(
                promise="P6", what=f"training waits for a save, {name} a stronghold of {call_seconds:g} s a call",
                figure=f"p50 {_share(found, 0.5):.1f} ms, p99 {_share(found, 0.99):.1f} ms, {len(found)} saves",
                wanted=f"p99 {STALL_MS:.0f} ms", kept=_share(found, 0.99) <= STALL_MS, timed=True,
            )
            for name, found in stalls.items()
        ),
        Figure(promise="P6", what="the battle's steps take longer with it", figure=f"{ratio:+.1%}"),
        Figure(promise="P6", what="connections to the bucket meanwhile", figure=calls, wanted="some", kept=calls > 0),
    ]  # fmt: skip


def _share(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[round(share * (len(ordered) - 1))] if ordered else float("nan")
