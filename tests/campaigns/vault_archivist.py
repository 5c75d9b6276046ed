"""H1: snapshots of a live arena at seeded instants; each is restored elsewhere and ends as if undisturbed."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any

import yaml

from realm.world import World
from tests.campaigns import storm
from tests.campaigns.report import Figure, none_of
from tests.campaigns.written import unreadable
from tests.support import tiny_hero
from tests.support.live_arena import LiveArena

SNAPSHOTS, QUICK_SNAPSHOTS = 30, 3
SNAPSHOTS_A_QUEST = 15
ROWS = 2000


def run(home: Path, *, seed: int, quick: bool, count: int | None) -> list[Figure]:
    wanted = count or (QUICK_SNAPSHOTS if quick else SNAPSHOTS)
    names = {f"quest-{number:02}" for number in range(-(-wanted // SNAPSHOTS_A_QUEST))}
    base = tiny_hero.make_base(home / "base")
    calm, live = (LiveArena(home / name, base, REALM_KEEP_CHECKPOINTS="100000") for name in ("calm", "live"))
    for arena in (calm, live):
        for number, name in enumerate(sorted(names)):
            arena.drop(f"{name}.jsonl", ROWS, seed=number)
    try:
        calm.start()
        storm.run_through(calm, len(names))
        taken = _take_while_it_trains(live, wanted=wanted, steps=storm.progress(calm), seed=seed)
        storm.run_through(live, len(names))
    finally:
        for arena in (calm, live):
            arena.stop()
    troubles = {each["name"]: _troubles(home / each["name"], live, base, each["name"], names, calm) for each in taken}
    told = [f"{name}: {why}" for name, whys in troubles.items() for why in whys]
    kept = [_engine(live, home, engine) for engine in ("restic", "borg")]
    return [
        *kept,
        Figure(
            promise="H1",
            what=f"snapshots of a training world, of {storm.progress(calm)} steps at",
            figure=f"{len(taken)} ({', '.join(str(each['asked']) for each in taken)})",
            wanted=str(wanted),
            kept=len(taken) == wanted,
        ),
        none_of("H1", "the world that was copied is disturbed", _differences(live, names, calm), len(taken)),
        none_of("H1", "restored worlds that lose, repeat or end otherwise", told, len(taken)),
    ]


def _take_while_it_trains(arena: LiveArena, *, wanted: int, steps: int, seed: int) -> list[dict[str, Any]]:
    """Names of the snapshots, and how many steps were done before and after each."""
    dice = random.Random(seed)
    instants = sorted(dice.randrange(1, steps * 19 // 20) for _ in range(wanted))
    arena.start()
    said = arena.module("tests.campaigns.snapshot_taker", *map(str, instants), seconds=60 + 30 * wanted)
    return [json.loads(line) for line in said.splitlines()]


def _troubles(
    home: Path, live: LiveArena, base: Path, name: str, quests: Collection[str], calm: LiveArena
) -> list[str]:
    live.manage("vault", "snapshot", "--verify", name)
    live.manage("vault", "restore", name, "--to", str(home))
    arena = LiveArena(home, base, REALM_KEEP_CHECKPOINTS="100000")
    try:
        arena.start()
        storm.run_through(arena, len(quests))
        return _differences(arena, quests, calm)
    except AssertionError as error:
        return [str(error)[:2000]]
    finally:
        arena.stop()
        shutil.rmtree(home)


def _differences(arena: LiveArena, quests: Collection[str], calm: LiveArena) -> list[str]:
    hero = World(arena.world.home).heroes / storm.HERO
    found = [f"unreadable: {why}" for why in unreadable(hero)]
    found += [f"twice or never: {why}" for why in storm.twice_or_never(hero)]
    try:
        storm.check_each_step_once(arena, quests)
    except AssertionError as error:
        found.append(str(error))
    if storm.final_weights(arena) != storm.final_weights(calm):
        found.append("other weights than an undisturbed run's")
    return found


def _engine(arena: LiveArena, home: Path, engine: str) -> Figure:
    """The program itself keeps a snapshot twice, and brings a checkpoint back."""
    (home / "password").write_text("a password\n")
    path = arena.world.home / "config.yaml"
    rules = {"engine": engine, "repository": str(home / engine), "password_file": str(home / "password")}
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_bytes()) | {"archivist": rules}))
    added = []
    for number in range(2):
        said = json.loads(arena.manage("vault", "snapshot", "--reason", f"{engine}-{number}", "--json"))
        added.append(said["kept"]["bytes_added"])
    back = json.loads(arena.manage("vault", "rehearse", "--json"))
    return Figure(
        promise="H1",
        what=f"{engine}: bytes added by one snapshot and by the next, and a checkpoint brought back",
        figure=f"{added[0]:,}, {added[1]:,}; {back['checkpoint']} whole",
        wanted="less the second time; whole",
        kept=added[1] < added[0] and back["source"] == engine,
    )
