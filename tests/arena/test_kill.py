"""Killed at random instants, nothing is lost, nothing is trained twice, and the weights end bit for bit the same."""

import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from arena.protocol import STEPS_FILE, StepRecord
from realm import sidecar
from tests import tiny_hero
from tests.arena.live_arena import LiveArena

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

KILLS = 20
QUESTS = {"a.jsonl": 1900, "b.jsonl": 2100, "c.jsonl": 2000}


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tiny_hero.make_base(tmp_path / "base")


@pytest.fixture
def arenas(tmp_path: Path, base: Path) -> Iterator[list[LiveArena]]:
    opened = [LiveArena(tmp_path / name, base) for name in ("calm", "stormy")]
    for arena in opened:
        for seed, (name, rows) in enumerate(QUESTS.items()):
            arena.drop(name, rows, seed=seed)
    yield opened
    for arena in opened:
        arena.stop()


def steps_of(battle: Path) -> list[StepRecord]:
    data = (battle / STEPS_FILE).read_bytes()
    return [StepRecord.unpack(data[at : at + StepRecord.SIZE]) for at in range(0, len(data), StepRecord.SIZE)]


def final_weights(arena: LiveArena) -> dict[str, str]:
    newest = sidecar.checkpoint_folders(arena.world.heroes / "DIO")[0]
    files = sidecar.verify(newest).files
    return {name: proof.sha256 for name, proof in files.items() if name.endswith(".safetensors")}


def progress(arena: LiveArena) -> int:
    return sum(path.stat().st_size for path in arena.world.battles.glob(f"*/{STEPS_FILE}"))


def wait_for_a_step(arena: LiveArena) -> None:
    before = progress(arena)
    arena.wait_for(lambda: progress(arena) != before or len(arena.completed()) == len(QUESTS), "a step is done")


def strike(arena: LiveArena, target: str) -> None:
    if target in ("daemon", "both"):
        arena.kill_daemon()
    if target in ("trainer", "both"):
        arena.kill_trainer()
    if target in ("daemon", "both"):
        arena.start()


def run_through(arena: LiveArena) -> None:
    arena.wait_for(lambda: len(arena.completed()) == len(QUESTS), "all quests are completed")
    arena.stop()


def assert_each_step_once(arena: LiveArena) -> int:
    """Each battle's records are its quest's steps 1…n, each once, and the hero's steps are one unbroken row."""
    battles = [
        (battle, steps_of(battle)) for battle in sorted(arena.world.battles.iterdir()) if (battle / STEPS_FILE).exists()
    ]
    assert len(battles) == len(QUESTS)
    hero_steps: list[int] = []
    for _, records in battles:
        assert [record.quest_step for record in records] == list(range(1, len(records) + 1))
        hero_steps += [record.step for record in records]
    assert sorted(hero_steps) == list(range(1, len(hero_steps) + 1))
    completions = Counter(
        event["data"]["quest"]
        for battle, _ in battles
        for event in map(json.loads, (battle / "events.jsonl").read_text().splitlines())
        if event["kind"] == "battle_completed"
    )
    assert completions == {name.removesuffix(".jsonl"): 1 for name in QUESTS}
    return len(hero_steps)


def test_twenty_kills_change_nothing(arenas: list[LiveArena]) -> None:
    calm, stormy = arenas
    calm.start()
    run_through(calm)
    total = assert_each_step_once(calm)

    dice = random.Random(20_261_121)
    stormy.start()
    deaths: Counter[str] = Counter()
    while sum(deaths.values()) < KILLS and len(stormy.completed()) < len(QUESTS):
        if dice.random() < 0.75:  # otherwise while it starts, loads or resumes
            wait_for_a_step(stormy)
        time.sleep(dice.random() * 0.4)
        target = dice.choice(["trainer", "daemon", "both"])
        strike(stormy, target)
        deaths[target] += 1
    run_through(stormy)

    assert sum(deaths.values()) == KILLS, f"the quests were over after {deaths}"
    assert assert_each_step_once(stormy) == total
    for folder in sidecar.checkpoint_folders(stormy.world.heroes / "DIO"):
        sidecar.verify(folder)
    assert not list((stormy.world.heroes / "DIO").glob("damaged-*"))
    assert final_weights(stormy) == final_weights(calm)
