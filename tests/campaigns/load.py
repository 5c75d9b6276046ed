"""Many who watch: how late they see a step, what it costs the trainer and in memory, and what restarts cost them.

D1, D3, D4, P5 and P11. One core is the web server's, another one that of those who watch; the battle before them is a
writer's of ten steps a second, and a real hero's where its speed is measured. Figures of time are held by campaigns
alone: a busy machine misses them.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from realm.world import CHECKOUT, World
from tests.campaigns import training_watched
from tests.campaigns.crowd import Seen
from tests.campaigns.report import Figure
from tests.campaigns.tavern import tavern
from tests.support.restarts import Battle, Browser, Client, Listener, fight_through_restarts
from tests.support.servers import free_port, migrate

STEPS_A_SECOND = 10
D3_SECONDS, P11_SECONDS = 1.0, 0.25
MOST_GROWTH_BYTES = 16 * 1024**2
PAST_STEPS = 100_000
"""3.5 MB, which every one that does not read has asked for."""
RESTARTS, CLIENTS = 50, 20


def run(folder: Path, *, seed: int, quick: bool, count: int | None) -> list[Figure]:
    """`count` is how many spectators at most. Nothing depends on chance but the clients' order."""
    random.seed(seed)
    sizes = [20] if quick else [100, 300, count or 1000]
    seconds = 3 if quick else 20
    many = 10 if quick else 200
    return [
        *watched(folder / "crowd", sockets=many, streams=many, stalled=4 if quick else 20, seconds=seconds),
        *(figure for size in sizes for figure in spectators(folder / f"{size}", size, seconds=seconds)),
        *restarts(folder / "restarts", 1 if quick else RESTARTS, clients=2 if quick else CLIENTS),
        *([] if quick else training_watched.figures(folder / "training")),
    ]


def watched(folder: Path, *, sockets: int, streams: int, stalled: int, seconds: float) -> list[Figure]:
    """D3."""
    seen, growth = _crowd(folder, sockets=sockets, streams=streams, stalled=stalled, seconds=seconds)
    what = f"{sockets} sockets, {streams} streams, {stalled} that do not read"
    return [
        _delay("D3", what, seen, share=0.95, limit=D3_SECONDS),
        _all_stay("D3", what, seen),
        Figure(
            promise="D3",
            what=f"{what}: memory of the web server",
            figure=f"{growth / 1e6:+.1f} MB in {seen.seconds:.0f} s",
            wanted=f"at most {MOST_GROWTH_BYTES / 1e6:.0f} MB",
            kept=growth <= MOST_GROWTH_BYTES,
        ),
    ]


def spectators(folder: Path, size: int, *, seconds: float) -> list[Figure]:
    """P11: a tenth of them do not read."""
    slow = size // 10
    seen, _ = _crowd(folder, sockets=size - slow, streams=0, stalled=slow, seconds=seconds)
    what = f"{size} spectators on one core, {slow} of them slow"
    return [_delay("P11", what, seen, share=0.99, limit=P11_SECONDS), _all_stay("P11", what, seen)]


def restarts(folder: Path, many: int, *, clients: int) -> list[Figure]:
    """D1: half of them by sockets, half by streams."""
    world, battle = _battle(folder)
    port = free_port()
    everybody: list[Client] = [(Browser if number % 2 else Listener)(port) for number in range(clients)]
    fight_through_restarts(world, everybody, battle, restarts=many)
    everything = list(range(1, battle.told + 1))
    right = sum(client.events == everything for client in everybody)
    right_steps = sum(client.steps == everything for client in everybody if isinstance(client, Listener))
    return [
        Figure(
            promise="D1",
            what=f"{many} restarts, {battle.told} events: clients that saw each once, in order",
            figure=f"{right}, each step {right_steps}",
            wanted=f"{clients}, {(clients + 1) // 2}",
            kept=right == clients and right_steps == (clients + 1) // 2,
        )
    ]


def _delay(promise: str, what: str, seen: Seen, *, share: float, limit: float) -> Figure:
    delays = seen.delays or [float("inf")]
    at = {each: delays[min(len(delays) - 1, int(each * len(delays)))] for each in (0.5, share, 1.0)}
    told = ", ".join(f"p{100 * each:.0f} {1000 * value:.0f} ms" for each, value in at.items())
    rate = len(seen.delays) / seen.seconds / max(1, seen.watching)
    return Figure(
        promise=promise,
        what=f"{what}: from a step's end to the client",
        figure=f"{told}; {rate:.1f} a second each",
        wanted=f"p{100 * share:.0f} {1000 * limit:.0f} ms",
        kept=at[share] <= limit,
        timed=True,
    )


def _all_stay(promise: str, what: str, seen: Seen) -> Figure:
    return Figure(
        promise=promise, what=f"{what}: readers that were cut off", figure=seen.cut, wanted="0", kept=not seen.cut
    )


def _crowd(folder: Path, *, sockets: int, streams: int, stalled: int, seconds: float) -> tuple[Seen, int]:
    """What they saw, and by how much the server's memory grew meanwhile."""
    world, battle = _battle(folder)
    battle.steps(PAST_STEPS, time=time.time())
    with tavern(world, core=_cores()[0]) as (port, process), _writer(battle):
        command = [sys.executable, "-m", "tests.campaigns.crowd", str(port)]
        wanted = {"sockets": sockets, "streams": streams, "stalled": stalled}
        with _pinned([*command, *(f"--{name}={number}" for name, number in wanted.items())]) as crowd:
            assert crowd.stdout
            assert crowd.stdout.readline().strip() == "ready"
            before = process.memory_info().rss
            threading.Event().wait(seconds)
            growth = process.memory_info().rss - before
            told, _ = crowd.communicate(timeout=120)
    return Seen(**json.loads(told)), growth


@contextmanager
def _pinned(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, cwd=CHECKOUT, stdin=pipe, stdout=pipe, text=True)
    psutil.Process(process.pid).cpu_affinity(_cores()[1:] or _cores())
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def _writer(battle: Battle) -> Iterator[None]:
    """Ten steps a second, and a checkpoint a second."""
    ending = threading.Event()

    def write() -> None:
        number = PAST_STEPS
        while not ending.wait(1 / STEPS_A_SECOND):
            number += 1
            battle.step(number, time=time.time())
            if number % STEPS_A_SECOND == 0:
                battle.tell()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()


def _battle(folder: Path) -> tuple[World, Battle]:
    world = World(folder)
    world.create()
    migrate(world)
    return world, Battle(world)


def _cores() -> list[int]:
    return sorted(os.sched_getaffinity(0))
