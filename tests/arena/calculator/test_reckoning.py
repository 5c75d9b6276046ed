"""What a battle would take, by the formulas that battles are held against; up to models that fit nowhere."""

from __future__ import annotations

import json
from typing import Any

import pytest

from arena import estimate
from arena.calculator import reckoning
from arena.calculator.known import known
from arena.calculator.reckoning import BadQuestion, Question, asked, reckon
from arena.estimate import Load, UnknownShape
from arena.profiles.machine import Machine
from arena.protocol import EVENTS_FILE
from realm.config import RealmConfig
from realm.world import World

NAMED = {"SmolLM2-135M": 0.1345, "Qwen3-0.6B": 0.596, "Llama-3.1-8B": 8.03, "Qwen3-32B": 32.8, "Llama-3.1-70B": 70.6}
"""10^9 parameters, as their makers have them."""


def answer(world: World, **texts: str) -> reckoning.Answer:
    return reckon(world, RealmConfig(), asked(texts))


def verdicts(found: reckoning.Answer) -> dict[str, str]:
    return {place.name: place.verdict for place in found.cards}


def test_known_models_have_their_size() -> None:
    assert {name: known().shape(name).parameters / 1e9 for name in NAMED} == pytest.approx(NAMED, rel=0.003)


def test_memory_is_that_of_the_estimate(world: World) -> None:
    found = answer(world, model="Qwen3-0.6B", max_length="512")
    recipe = Question(max_length=512).recipe()
    assert found.memory == estimate.memory_of(known().shape("Qwen3-0.6B"), recipe, Load.of(recipe), cuda=True)


def test_what_is_larger_fits_in_fewer_places(world: World) -> None:
    assert set(verdicts(answer(world, model="Llama-3.1-70B")).values()) == {"does not fit"}
    small = verdicts(answer(world, model="SmolLM2-135M", max_length="256"))
    assert set(small.values()) == {"fits"}
    lora = answer(world, model="Llama-3.1-8B", mode="lora", gradient_checkpointing="on")
    full = answer(world, model="Llama-3.1-8B", mode="full", gradient_checkpointing="on")
    assert lora.memory.peak < full.memory.peak / 3
    assert lora.trained < full.trained / 100


@pytest.mark.parametrize(
    ("share", "verdict"), [(0.849, "fits"), (0.85, "tight"), (0.969, "tight"), (0.97, "does not fit")]
)
def test_verdicts_follow_the_share(share: float, verdict: str) -> None:
    assert reckoning._place("card", 1000, round(1000 * share), 1.0, "").verdict == verdict


def fought(world: World, **changes: Any) -> None:
    """A battle by the recipe of Question, for the hero, that did 1,000 tokens a second here."""
    config = RealmConfig()
    shape = reckoning.hero_shape(world, config)
    here = reckoning.machine().device
    like = estimate.likeness(asked({}).recipe(), device=here, parameters=shape.parameters, threads=0) | changes
    measured = {
        "like": like, "seconds": 110.0, "step_seconds": 100.0, "tokens": 100_000, "stops": 1, "peak_bytes": 1,
        "process": None, "quest_bytes": 1, "quest_tokens": 1, "trained_share": 1.0, "row_fill": 1.0,
        "seconds_error": None, "memory_error": None,
    }  # fmt: skip
    folder = world.battles / "b1"
    folder.mkdir(parents=True, exist_ok=True)
    event = {"kind": "battle_completed", "data": {"measured": measured}}
    (folder / EVENTS_FILE).write_text(json.dumps(event) + "\n")


def test_time_here_is_measured_where_such_a_battle_was_fought(world: World) -> None:
    assert answer(world).here.seconds is None
    fought(world)
    found = answer(world, rows="1000", tokens_per_row="50").here
    assert (found.seconds, found.speed) == (50.0, "measured: b1")


def test_time_of_another_model_is_said_to_be_estimated(world: World) -> None:
    fought(world)
    found = answer(world, model="Qwen3-0.6B", rows="1000", tokens_per_row="50").here
    assert found.speed == "estimated by the speed of b1"
    assert found.seconds is not None
    assert found.seconds > 10_000


@pytest.mark.parametrize("model", ["hero", "Qwen3-0.6B"])
def test_a_gpu_here_holds_what_cuda_takes_too(world: World, monkeypatch: pytest.MonkeyPatch, model: str) -> None:
    """Whether the seconds are measured, estimated or unknown."""
    monkeypatch.setattr(reckoning, "machine", lambda: Machine(device="H200", cuda=True, memory_bytes=10**11))
    for _ in range(2):
        found = answer(world, model=model)
        assert found.here.needed_bytes == found.memory.peak + reckoning.CONTEXT_BYTES
        fought(world)


def test_twin_a_battle_of_another_machine_says_nothing(world: World) -> None:
    fought(world, device="another")
    assert answer(world).here.seconds is None


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ({"max_length": "many"}, "max_length: a whole number"), ({"mode": "half"}, "mode: 'half' is not allowed"),
        ({"rows": "0"}, "rows: 0 is too small"), ({"lora_rank": "70000"}, "lora_rank: 70000 is too large"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_named(texts: dict[str, str], said: str) -> None:
    with pytest.raises(BadQuestion) as refused:
        asked(texts)
    assert str(refused.value).startswith(said)


@pytest.mark.parametrize("model", ["Qwen9-1T", "/no/such/folder"])
def test_an_unknown_model_is_named(world: World, model: str) -> None:
    with pytest.raises(UnknownShape, match=model):
        answer(world, model=model)
