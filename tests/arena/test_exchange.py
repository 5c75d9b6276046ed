"""What processes send each other, and whether it is worth it, by hand-reckoned figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from arena import estimate, exchange
from arena.calculator.reckoning import BadQuestion, Question, asked
from arena.exchange import Exchange, Pace, bytes_a_step, exchange_of
from arena.preview import quest_estimate
from arena.profiles.machine import Machine
from arena.profiles.resolving import resolve
from arena.recipe import Recipe
from realm.config import load
from realm.world import World
from tests.arena.calculator.test_reckoning import answer
from tests.arena.calculator.test_reckoning import fought as fought_alone
from tests.arena.test_estimate import fought, measured

QWEN = 596_000_000
LORA = 10_000_000
CARDS = Machine(device="a card", cuda=True, memory_bytes=8 * 10**9, gpus=2)


def recipe(**keys: Any) -> Recipe:
    return Recipe(**{"processes": 2, "rows_per_step": 8, "rows_per_micro_batch": 4} | keys)


def between(trained: int, pace: Pace, *, link_gbit: float | None = None, **keys: Any) -> Exchange:
    found = exchange_of(trained, recipe(**keys), pace, link_gbit=link_gbit)
    assert found
    return found


@pytest.mark.parametrize(
    ("trained", "processes", "strategy", "gbit", "sent", "seconds"),
    [
        (QWEN, 2, "ddp", 1, 2_384_000_000, 19.1),
        (QWEN, 2, "ddp", 10, 2_384_000_000, 1.91),
        (LORA, 2, "ddp", 1, 40_000_000, 0.32),
        (QWEN, 4, "ddp", 1, 3_576_000_000, 28.6),
        (QWEN, 2, "fsdp2", 1, 3_576_000_000, 28.6),
    ],
)
def test_gradients_over_a_link(
    trained: int, processes: int, strategy: str, gbit: float, sent: int, seconds: float
) -> None:
    keys = {"processes": processes, "strategy": strategy, "rows_per_micro_batch": 2}
    assert bytes_a_step(trained, recipe(**keys)) == sent
    found = between(trained, Pace(), link_gbit=gbit, **keys)
    assert found.seconds == pytest.approx(seconds, rel=0.01)
    assert found.gain is None


def test_whether_it_is_worth_it_is_said() -> None:
    slow = between(QWEN, Pace(alone=0.9), link_gbit=1)
    assert slow.sentence == (
        "Not worth it: 2.4 GB a step take 19 s at 1 Gbit/s, beside 450 ms of computing in place of 900 ms."
    )
    adapter = between(LORA, Pace(alone=0.9), link_gbit=10)
    assert adapter.sentence.startswith("Worth it, 1.9 times as fast: 40 MB a step take 32 ms at 10 Gbit/s")


def test_of_a_link_that_nobody_named_it_is_said_how_fast_it_must_be() -> None:
    """2.384 GB in 0.9 s * (1 / 1.1 - 1 / 2) = 368 ms."""
    found = between(QWEN, Pace(alone=0.9))
    assert found.seconds is found.gain is None
    assert found.sentence.startswith("Worth it over 52 Gbit/s or more: 2.4 GB a step take 19 s at 1 Gbit/s and 1.9 s")
    assert between(QWEN, Pace(alone=0.9), link_gbit=52.5).sentence.startswith("Worth it")
    assert between(QWEN, Pace(alone=0.9), link_gbit=50).sentence.startswith("Not worth it")


def test_what_was_measured_goes_before_what_is_reckoned() -> None:
    found = between(QWEN, Pace(alone=0.9, together=0.6), link_gbit=1)
    assert found.gain == pytest.approx(1.5)
    assert found.sentence.startswith("Worth it, 1.5 times as fast: a step took 600 ms in place of 900 ms, as measured")
    assert between(LORA, Pace(alone=0.9, together=1.2)).sentence.startswith("Not worth it: a step took 1.2 s")


def test_what_is_not_known_is_not_said() -> None:
    assert "is known once one process has fought" in between(QWEN, Pace()).sentence
    assert "share this CPU's cores" in between(QWEN, Pace(alone=0.9, shares_cores=True)).sentence
    assert exchange_of(QWEN, recipe(processes=1), Pace(alone=0.9)) is None


IDLE = "Not worth it: a step has 1 micro-batch for 2 processes; rows_per_micro_batch 4 or less gives each one."


def test_a_process_that_would_idle_is_told_of() -> None:
    assert between(LORA, Pace(alone=0.9), link_gbit=1000, rows_per_micro_batch=8).sentence.startswith(IDLE)
    few = between(LORA, Pace(), processes=4, rows_per_step=2, rows_per_micro_batch=1)
    assert "2 micro-batches for 4 processes; rows_per_step 4 or more" in few.sentence
    three = between(LORA, Pace(alone=1.0), link_gbit=10_000, rows_per_step=6, rows_per_micro_batch=2)
    assert three.gain == pytest.approx(1.5, rel=0.01)  # of three micro-batches one process computes two


def test_twin_by_processes_alone_an_idle_one_is_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "_micro_batches", lambda recipe: recipe.processes)
    found = between(LORA, Pace(alone=0.9), link_gbit=1000, rows_per_micro_batch=8)
    assert not found.sentence.startswith(IDLE)
    assert found.sentence.startswith("Worth it, 2 times as fast")


def test_one_alone_sends_nothing_and_a_battle_of_several_is_no_measure_of_one(world: World) -> None:
    assert answer(world).exchange is None
    fought_alone(world)
    found = answer(world, processes="2", link_gbit="1000")
    assert found.exchange
    assert found.exchange.gain
    assert found.exchange.gain > 1.1
    assert found.memory.peak == answer(world).memory.peak
    assert answer(world, processes="2", strategy="fsdp2").memory.peak < found.memory.peak


@pytest.mark.parametrize("text", ["fast", "0", "nan", "-1", "inf"])
def test_a_link_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(BadQuestion, match="link_gbit"):
        asked({"link_gbit": text})
    assert asked({"link_gbit": "2.5"}) == Question(link_gbit=2.5)


@pytest.mark.slow
def test_a_quest_is_estimated_by_battles_of_one_and_of_several(
    world: World, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.REALM = load(world, {}, recipe=Recipe)
    path = tmp_path / "mine.jsonl"
    path.write_text("".join(f'{{"prompt": "a {number:04d}", "completion": "b"}}\n' for number in range(1000)))
    monkeypatch.setattr(quest_estimate, "machine", lambda: CARDS)
    monkeypatch.setattr("arena.profiles.resolving.machine", lambda: CARDS)
    resolved = resolve(
        world, settings.REALM, {"processes": 2, "rows_per_step": 8, "rows_per_micro_batch": 4}, source="test"
    )
    parameters = quest_estimate.hero_shape(world, settings.REALM).parameters

    def sentence() -> str:
        seen = quest_estimate.outlook(world, settings.REALM, resolved, path)
        assert seen.exchange
        return seen.exchange.sentence

    def fight(name: str, *, ranks: int, step_seconds: float) -> None:
        like = estimate.likeness(resolved.recipe, device="a card", parameters=parameters, threads=2, ranks=ranks)
        fought(world, name, measured(battle=name, like=like, step_seconds=step_seconds))

    assert "is known once one process has fought" in sentence()
    fight("alone", ranks=1, step_seconds=20.0)
    assert sentence().startswith("Worth it over ")
    fight("both", ranks=2, step_seconds=16.0)
    assert sentence().startswith("Worth it, 1.2 times as fast: a step took ")
