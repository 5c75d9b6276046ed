"""A2: killed at every changing call of a save and of a quest's moves, it goes on by itself to the same weights."""

from __future__ import annotations

import random
import signal
from pathlib import Path

from arena.protocol import EventKind
from realm.world import World
from tests.campaigns import battles, faults, storm, written
from tests.campaigns.faults import Fault
from tests.campaigns.report import Figure, none_of
from tests.support import tiny_hero
from tests.support.live_arena import LiveArena

QUICK_POINTS, QUICK_MOVES = 2, 1
QUEST_ROWS = 60
MOVING = tuple(call for call in faults.CHANGING if not call.startswith("mkdir"))
"""Folders are made as the daemon starts, before there is a quest."""


def of_a_save(folder: Path, *, seed: int, quick: bool) -> list[Figure]:
    points = battles.points(folder / "count")
    wanted = battles.undisturbed(folder / "undisturbed")
    if quick:
        points = random.Random(seed).sample(points, min(QUICK_POINTS, len(points)))
    survived, unreadable, broken, other = list[str](), list[str](), list[str](), list[str]()
    for number, (call, count) in enumerate(points):
        order = battles.make_order(folder / f"{number}")
        fault = Fault(call=call, number=count, effect="kill")
        if battles.fight(order, fault) != -signal.SIGKILL:
            survived.append(str(fault))
        unreadable += [f"{fault}: {damage}" for damage in written.unreadable(Path(order.hero_folder))]
        battles.fight(order)
        if battles.ending(order) != EventKind.BATTLE_COMPLETED or not _each_step_once(order.battle_folder):
            broken.append(str(fault))
        if battles.digests(order) != wanted:
            other.append(str(fault))
        battles.forget(order)
    return [
        Figure(promise="A2", what="a save is killed at every one of its", figure=f"{len(points)} {faults.how()}"),
        none_of("A2", "kills that did not happen", survived, len(points)),
        none_of("A2", "unreadable checkpoints under a final name", unreadable, len(points)),
        none_of("A2", "did not go on by itself, or did a step twice", broken, len(points)),
        none_of("A2", "other final weights than undisturbed", other, len(points)),
    ]


def _each_step_once(battle_folder: str) -> bool:
    steps = [record.quest_step for record in written.steps_of(Path(battle_folder))]
    return bool(steps) and steps == list(range(1, len(steps) + 1))


def of_the_queue(folder: Path, *, seed: int, quick: bool) -> list[Figure]:
    """The daemon is killed at every changing call on a quest's way from the inbox to its completion."""
    if not faults.has_strace():
        return [Figure(promise="A2", what="moves of a quest", figure="not shown: strace is not at hand")]
    base = tiny_hero.make_base(folder / "base")
    calm, counts = _through_the_queue(folder / "calm", base, None)
    points = [(call, number) for call in counts for number in range(1, counts[call] + 1)]
    if quick:
        points = random.Random(seed).sample(points, min(QUICK_MOVES, len(points)))
    lost, other = [], []
    for place, (call, count) in enumerate(points):
        fault = Fault(call=call, number=count, effect="kill")
        try:
            weights, _ = _through_the_queue(folder / f"queue-{place}", base, fault)
        except AssertionError as error:
            lost.append(f"{fault}: {str(error)[:200]}")
        else:
            if weights != calm:
                other.append(str(fault))
    return [
        Figure(
            promise="A2", what="the daemon is killed on a quest's way at every one of", figure=f"{len(points)} calls"
        ),
        none_of("A2", "quests lost, fought twice or stuck", lost, len(points)),
        none_of("A2", "other final weights than undisturbed", other, len(points)),
    ]


def _through_the_queue(folder: Path, base: Path, fault: Fault | None) -> tuple[dict[str, str], dict[str, int]]:
    """Weights that one quest ends in, and the changing calls on its way. Raises AssertionError if it is stuck."""
    arena, trace = LiveArena(folder, base), folder.with_suffix(".trace")
    places = _places(arena.world)
    command = ["strace", "-D", "-q", "-o", str(trace), "-e", f"trace={','.join(MOVING)}"]
    command += [word for place in places for word in ("-P", str(place))] + (["-e", fault.injection] if fault else [])
    try:
        arena.start(*command)
        arena.drop("a.jsonl", QUEST_ROWS, seed=1)
        daemon = arena.daemon
        assert daemon is not None
        arena.wait_for(lambda: daemon.poll() is not None or len(arena.completed()) == 1, "the fault strikes")
        if fault:
            arena.wait_for(lambda: daemon.poll() is not None, "the fault strikes")
            arena.start()
        arena.wait_for(lambda: len(arena.completed()) == 1, "the quest is completed")
        arena.wait_for(lambda: arena.status.get("state") == "idle", "the daemon is idle")
    finally:
        arena.stop()
    assert sum(1 for path in arena.world.queue.rglob("a*.jsonl")) == 1, "the quest lies in two places"
    storm.check_each_step_once(arena, {"a"})
    return storm.final_weights(arena), dict(faults.calls_in(trace))


def _places(world: World) -> list[Path]:
    """Where a dropped quest lies, one after the other, and what lies beside it."""
    folders = [world.inbox, world.lane("normal"), world.processing, world.recently_completed]
    names = ("a.jsonl", "a.jsonl.report.json", "a.report.json")
    return [*folders, *(folder / name for folder in folders for name in names)]
