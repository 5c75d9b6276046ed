"""A1 and A4: daemon, trainer or both are killed at seeded instants of many quests; nothing is lost or done twice."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from arena.protocol import EVENTS_FILE, STEPS_FILE, EventKind, StepRecord
from realm.checkpoints import sidecar
from realm.checkpoints.names import checkpoint_folders, step_of
from realm.world import World
from tests.campaigns.report import Figure, none_of
from tests.campaigns.written import steps_of, unreadable
from tests.support import tiny_hero
from tests.support.live_arena import TRAINING, LiveArena

HERO = "DIO"
TARGETS = ("trainer", "daemon", "both")
LONGEST_PAUSE_SECONDS = 0.4
START_SECONDS = 300.0
"""Until a step is done, on a busy machine: the daemon, a launcher and each of its ranks load what they need before."""
SHARE_AT_STEPS = 0.75
"""Of the kills; the others come while the daemon starts, the trainer loads or the battle resumes."""


@dataclass(frozen=True, slots=True)
class Loss:
    """Work that a kill undid: steps after the newest checkpoint, and the seconds they had taken."""

    steps: int
    seconds: float


def run(folder: Path, *, kills: int, quests: int, rows: int, seed: int) -> list[Figure]:
    base = tiny_hero.make_base(folder / "base")
    calm, stormy = (LiveArena(folder / name, base, REALM_KEEP_CHECKPOINTS="100000") for name in ("calm", "stormy"))
    names = {f"quest-{number:02}" for number in range(quests)}
    for arena in (calm, stormy):
        for number, name in enumerate(sorted(names)):
            arena.drop(f"{name}.jsonl", rows, seed=number)
    try:
        calm.start()
        run_through(calm, quests)
        total = check_each_step_once(calm, names)
        deaths, losses = rage(stormy, kills=kills, quests=quests, steps=total, seed=seed, strike=strike)
        run_through(stormy, quests)
    finally:
        for arena in (calm, stormy):
            arena.stop()
    return figures_of(calm, stormy, names=names, wanted_kills=kills, deaths=deaths, losses=losses)


Strike = Callable[[LiveArena, str], bool]
"""Kills the target of that name; whether it was a trainer in the midst of its work. A daemon is not started again."""


def rage(
    arena: LiveArena,
    *,
    kills: int,
    quests: int,
    steps: int,
    seed: int,
    strike: Strike,
    targets: Sequence[str] = TARGETS,
) -> tuple[Counter[str], list[Loss]]:
    """Start the arena and kill one of the targets `kills` times, spread over the `steps` of all its quests."""
    dice = random.Random(seed)
    instants = sorted(dice.randrange(steps * 19 // 20) for _ in range(kills))
    arena.start()
    deaths, losses = Counter[str](), []
    for instant in instants:
        if dice.random() < SHARE_AT_STEPS:
            _wait_until(arena, instant, quests)
        time.sleep(dice.random() * LONGEST_PAUSE_SECONDS)
        if len(arena.completed()) == quests:
            break
        target = dice.choice(targets)
        if strike(arena, target):
            losses.append(loss_of(arena))
        if not arena.daemon_lives:
            arena.start()
        deaths[target] += 1
    return deaths, losses


def _wait_until(arena: LiveArena, instant: int, quests: int) -> None:
    """Until a step is done, and the arena has come to `instant`, which is a number of steps."""
    before = progress(arena)
    arena.wait_for(
        lambda: (progress(arena) > instant and progress(arena) != before) or len(arena.completed()) == quests,
        "a step is done",
        seconds=START_SECONDS,
    )


def strike(arena: LiveArena, target: str) -> bool:
    """A Strike, of a trainer that is alone."""
    if target in ("daemon", "both"):
        arena.kill_daemon()
    return target in ("trainer", "both") and arena.kill_trainer()


def progress(arena: LiveArena) -> int:
    """Steps done so far."""
    return steps_done(arena.world)


def steps_done(world: World) -> int:
    """By all battles of that world."""
    size = sum(path.stat().st_size for path in world.battles.glob(f"*/{STEPS_FILE}"))
    return size // StepRecord.SIZE


def loss_of(arena: LiveArena) -> Loss:
    records = sorted(
        (record for battle in _battles(arena) for record in steps_of(battle)), key=lambda record: record.step
    )
    folders = checkpoint_folders(_hero(arena)) if _hero(arena).is_dir() else []
    saved = (step_of(folders[0].name) or 0) if folders else 0
    lost = [record for record in records if record.step > saved]
    return Loss(len(lost), sum(record.step_seconds for record in lost))


def run_through(arena: LiveArena, quests: int) -> None:
    arena.wait_for(lambda: len(arena.completed()) == quests, "all quests are completed", seconds=90 + 15 * quests)
    arena.stop()


def final_weights(arena: LiveArena) -> dict[str, str]:
    files = sidecar.verify(checkpoint_folders(_hero(arena))[0]).files
    return {name: proof.sha256 for name, proof in files.items() if name.endswith(".safetensors")}


def check_each_step_once(arena: LiveArena, quests: Collection[str]) -> int:
    """Each battle's records are its quest's steps 1…n, each once, and the hero's steps are one unbroken row.

    Returns their number. Raises AssertionError with what is not so.
    """
    battles = _battles(arena)
    assert len(battles) == len(quests), f"{len(battles)} battles for {len(quests)} quests"
    hero_steps: list[int] = []
    for battle in battles:
        records = steps_of(battle)
        assert [record.quest_step for record in records] == list(range(1, len(records) + 1)), battle.name
        hero_steps += [record.step for record in records]
    assert sorted(hero_steps) == list(range(1, len(hero_steps) + 1)), "the hero's steps are not one unbroken row"
    completions = Counter(
        event["data"]["quest"]
        for battle in battles
        for event in map(json.loads, (battle / EVENTS_FILE).read_text().splitlines())
        if event["kind"] == EventKind.BATTLE_COMPLETED
    )
    assert completions == dict.fromkeys(quests, 1), f"completed: {completions}"
    return len(hero_steps)


def twice_or_never(hero_folder: Path) -> list[str]:
    """Steps of a quest, by its digest, that the line of checkpoints to the newest one holds twice or not at all.

    Which rows a step trains on is decided by the quest's digest and the step alone.
    """
    entries = {entry.name: entry for entry in map(sidecar.read, checkpoint_folders(hero_folder))}
    newest = checkpoint_folders(hero_folder)[0].name
    trained, entry = Counter[tuple[str, int]](), entries.get(newest)
    ends: dict[str, int] = {}
    while entry is not None:
        parent = entries.get(entry.parent) if entry.parent else None
        cursor, before = entry.cursor, parent.step if parent else 0
        first = cursor.quest_step - (entry.step - before)
        trained.update((cursor.quest_sha256, step) for step in range(first, cursor.quest_step))
        ends.setdefault(cursor.quest_sha256, cursor.quest_step)
        entry = parent
    wanted = Counter((quest, step) for quest, end in ends.items() for step in range(end))
    return [f"{quest[:8]} step {step}" for quest, step in ((trained - wanted) + (wanted - trained))]


def figures_of(
    calm: LiveArena,
    stormy: LiveArena,
    *,
    names: set[str],
    wanted_kills: int,
    deaths: Counter[str],
    losses: list[Loss],
) -> list[Figure]:
    quests, struck = len(names), ", ".join(f"{target} {count}" for target, count in sorted(deaths.items()))
    try:
        steps, wrong = check_each_step_once(stormy, names), list[str]()
    except AssertionError as error:
        steps, wrong = progress(stormy), [str(error)]
    lost = sorted(names - {name.removesuffix(".jsonl") for name in stormy.completed()})
    most_steps, most_seconds = (
        max((getattr(loss, what) for loss in losses), default=0) for what in ("steps", "seconds")
    )
    save_every = int(TRAINING["save_every"])
    return [
        Figure(
            promise="A1",
            what="kill -9",
            figure=f"{sum(deaths.values())} ({struck})",
            wanted=str(wanted_kills),
            kept=sum(deaths.values()) == wanted_kills,
        ),
        none_of("A1", "quests lost", lost, quests),
        none_of("A1", "battles with a step twice, missing or out of order", wrong, quests),
        none_of(
            "A1", "steps of a quest twice or never in the line of checkpoints", twice_or_never(_hero(stormy)), steps
        ),
        none_of("A1", "unreadable checkpoints", unreadable(_hero(stormy)), len(checkpoint_folders(_hero(stormy)))),
        Figure(
            promise="A1",
            what="final weights and an uninterrupted run's, SHA-256",
            figure="equal" if final_weights(stormy) == final_weights(calm) else "different",
            wanted="equal",
            kept=final_weights(stormy) == final_weights(calm),
        ),
        Figure(
            promise="A4",
            what=f"largest lost work of {len(losses)} killed trainers",
            figure=f"{most_steps} steps, {most_seconds:.2f} s",
            wanted=f"{save_every} steps or 60 s",
            kept=most_steps <= save_every or most_seconds <= 60,
        ),
    ]


def _battles(arena: LiveArena) -> list[Path]:
    return [path for path in sorted(arena.world.battles.iterdir()) if (path / STEPS_FILE).exists()]


def _hero(arena: LiveArena) -> Path:
    return arena.world.heroes / HERO
