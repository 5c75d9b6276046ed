"""C9: thousands of quests of one row, one after another through the same daemon and trainer, watched from beside.

Memory and open files of every process at a tenth of the way are held against those at its end; the first tenth is left
out, since caches fill then. A tiny hero, so that the turnover of quests is what takes the time.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import yaml

from realm.config import RealmConfig
from realm.logs.daily_file import MOST_BYTES
from realm.weaver.services import VAULT, services
from realm.world import CHECKOUT, World
from tests.campaigns.report import Figure
from tests.campaigns.tavern import tavern
from tests.support import tiny_hero
from tests.support.live_arena import TRAINING, LiveArena
from tests.support.servers import environment, free_port, wait_until

QUESTS, QUICK_QUESTS = 10_000, 60
MOST_SECONDS = 8 * 3600.0
"""After which those that are done are judged."""
AHEAD = 40
"""Quests that wait at a time."""
START_SHARE = 0.1
SAMPLES = 9
"""Of which the median counts; half a second lies between them."""
MOST_GROWTH, SLACK_BYTES = 0.05, 2 * 1024**2
MOST_MORE_FILES = 3
"""A sample may catch a file that is just being read."""
STALLED_SECONDS = 120.0


@dataclass(frozen=True, kw_only=True)
class Usage:
    memory_bytes: float
    """That this process alone holds."""
    files: int
    threads: int


def run(folder: Path, *, seed: int, quick: bool, count: int | None) -> list[Figure]:
    """`count` is the number of quests. Nothing depends on chance."""
    quests = count or (QUICK_QUESTS if quick else QUESTS)
    until = time.monotonic() + MOST_SECONDS
    arena = LiveArena(folder / "world", tiny_hero.make_base(folder / "base"))
    settings = {"training": TRAINING | {"save_every": 1000, "rows_per_step": 1, "rows_per_micro_batch": 1}}
    (arena.world.home / "config.yaml").write_text(yaml.safe_dump(settings))
    begun = time.monotonic()
    try:
        arena.start()
        with tavern(arena.world, core=None) as (_, web), _vault(arena.world) as vault:
            beside = {"tavern": web, "vault": vault}
            early = _fight(arena, 0, max(1, int(quests * START_SHARE)), until)
            before, log_bytes, data_bytes = _usage(arena, beside), _logged(arena.world), _database(arena.world)
            quests = _fight(arena, early, quests, until)
            after = _usage(arena, beside)
            dead = _zombies(arena, beside)
        seconds = time.monotonic() - begun
        return [
            Figure(promise="C9", what="quests of one row", figure=f"{quests} in {seconds:.0f} s"),
            *judged(before, after),
            Figure(promise="C9", what="zombies", figure=len(dead), wanted="0", kept=not dead),
            bounded_logs(_logged(arena.world), log_bytes, quests - early),
            Figure(
                promise="C9",
                what="database a quest",
                figure=f"{(_database(arena.world) - data_bytes) / (quests - early):.0f} bytes",
            ),
        ]
    finally:
        arena.stop()


def judged(before: Mapping[str, Usage], after: Mapping[str, Usage]) -> Iterator[Figure]:
    """Two figures a process."""
    for name in sorted(before.keys() | after.keys()):
        if name not in before or name not in after:
            yield Figure(promise="C9", what=f"{name}: lives", figure="only at one end", wanted="at both", kept=False)
            continue
        first, last = before[name], after[name]
        growth = last.memory_bytes - first.memory_bytes
        yield Figure(
            promise="C9",
            what=f"{name}: memory after a tenth and at the end",
            figure=f"{first.memory_bytes / 1e6:.1f} MB, {last.memory_bytes / 1e6:.1f} MB"
            f" ({growth / first.memory_bytes:+.1%})",
            wanted=f"below +{MOST_GROWTH:.0%}",
            kept=growth < max(MOST_GROWTH * first.memory_bytes, SLACK_BYTES),
        )
        yield Figure(
            promise="C9",
            what=f"{name}: open files, threads",
            figure=f"{first.files} to {last.files}, {first.threads} to {last.threads}",
            wanted="flat",
            kept=last.files - first.files <= MOST_MORE_FILES and last.threads - first.threads <= MOST_MORE_FILES,
        )


def bounded_logs(at_end: Mapping[str, int], at_start: Mapping[str, int], quests: int) -> Figure:
    """What lies in each service's folder, against what the oldest files make room for."""
    told = ", ".join(
        f"{name} {size / 1e6:.2f} MB (+{(size - at_start.get(name, 0)) / quests:.0f} bytes a quest)"
        for name, size in at_end.items()
    )
    return Figure(
        promise="C9",
        what="logs",
        figure=told,
        wanted=f"each below {MOST_BYTES / 1e6:.0f} MB",
        kept=all(size < MOST_BYTES for size in at_end.values()),
    )


def _fight(arena: LiveArena, first: int, end: int, until: float) -> int:
    """Drops quests as they are fought, until `end` of them are completed or it is that late; how many are."""
    number, done, moved = first, first, time.monotonic()
    while done < end:
        if time.monotonic() > until:
            end = number  # those that wait already
        while number < min(end, done + AHEAD):
            _drop(arena.world, number)
            number += 1
        time.sleep(0.25)
        now = sum(entry.name.endswith(".jsonl") for entry in os.scandir(arena.world.recently_completed))
        if now > done:
            done, moved = now, time.monotonic()
        elif time.monotonic() - moved > STALLED_SECONDS:
            raise AssertionError(f"{done} of {end} quests are completed, and no more follow; status {arena.status}")
    return done


def _drop(world: World, number: int) -> None:
    messages = [{"role": "user", "content": f"{number}+{number}"}, {"role": "assistant", "content": str(2 * number)}]
    staged = world.home / "staged.jsonl"
    staged.write_text(json.dumps({"messages": messages}) + "\n")
    staged.rename(world.inbox / f"quest-{number:05}.jsonl")


def _usage(arena: LiveArena, beside: Mapping[str, psutil.Process]) -> dict[str, Usage]:
    assert arena.daemon is not None
    arena.wait_for(lambda: arena.status.get("state") == "idle", "the daemon is idle")
    assert arena.trainer_pid
    watched = {"arena": psutil.Process(arena.daemon.pid), "trainer": psutil.Process(arena.trainer_pid), **beside}
    seen: dict[str, list[Usage]] = {name: [] for name in watched}
    for _ in range(SAMPLES):
        for name, process in watched.items():
            seen[name].append(
                Usage(
                    memory_bytes=process.memory_full_info().uss, files=process.num_fds(), threads=process.num_threads()
                )
            )
        time.sleep(0.5)
    return {
        name: Usage(
            memory_bytes=statistics.median(each.memory_bytes for each in usages),
            files=int(statistics.median(each.files for each in usages)),
            threads=int(statistics.median(each.threads for each in usages)),
        )
        for name, usages in seen.items()
    }


def _zombies(arena: LiveArena, beside: Mapping[str, psutil.Process]) -> list[str]:
    assert arena.daemon is not None
    family = [psutil.Process(arena.daemon.pid), *beside.values()]
    children = [child for each in family for child in each.children(recursive=True)]
    return [str(each) for each in children if each.status() == psutil.STATUS_ZOMBIE]


def _logged(world: World) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for path in world.logs.rglob("*"):
        if path.is_file():
            name = path.relative_to(world.logs).parts[0]
            sizes[name] = sizes.get(name, 0) + path.stat().st_size
    return sizes


def _database(world: World) -> int:
    return sum(path.stat().st_size for path in world.home.glob(f"{world.database.name}*"))


@contextmanager
def _vault(world: World) -> Iterator[psutil.Process]:
    port = free_port()
    (service,) = (each for each in services(RealmConfig(vault_port=port)) if each.name == VAULT)
    with open(world.logs / "vault.log", "ab") as log:
        process = psutil.Popen(
            [sys.executable, *service.arguments],
            cwd=CHECKOUT, env=environment(world, REALM_VAULT_PORT=port), stdout=log, stderr=log,
        )  # fmt: skip
    try:
        wait_until(lambda: process.poll() is not None or _listens(port))
        yield process
    finally:
        process.terminate()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
