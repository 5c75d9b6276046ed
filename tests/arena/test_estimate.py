"""Estimates from numbers alone, and `manage.py estimate`."""

import io
import json
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from arena import estimate
from arena.estimate import Load, Measured, Shape, UnknownShape
from arena.preview import quest_estimate
from arena.preview.quest_estimate import Machine
from arena.profiles.resolving import resolve
from arena.protocol import EVENTS_FILE, Event, EventKind
from arena.recipe import Recipe
from realm.config import load
from realm.world import World

QWEN = {
    "model_type": "qwen3", "hidden_size": 1024, "num_hidden_layers": 28, "num_attention_heads": 16,
    "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 3072, "vocab_size": 151936,
    "tie_word_embeddings": True,
}  # fmt: skip
LIKE = {"device": "cpu", "threads": 2}
LOAD = Load(tokens=2048, trained_tokens=1024)


def measured(**fields: Any) -> Measured:
    values: dict[str, Any] = {
        "battle": "b", "like": LIKE, "seconds": 30.0, "step_seconds": 20.0, "tokens": 1000, "stops": 2,
        "peak_bytes": 10**9, "process": 4 * 10**8, "quest_bytes": 5000, "quest_tokens": 1000, "trained_share": 0.5,
        "row_fill": 0.8, "seconds_error": 0.1, "memory_error": -0.05,
    }  # fmt: skip
    return Measured(**values | fields)


def fought(world: World, name: str, told: Measured, *, at: int = 1, after: bytes = b"") -> None:
    folder = world.battles / name
    folder.mkdir()
    event = Event(
        seq=9, time=0.0, kind=EventKind.BATTLE_COMPLETED, step=1, message="", data={"measured": asdict(told)}
    )  # fmt: skip
    (folder / EVENTS_FILE).write_bytes(b'{"seq": 1}\n' + event.to_line() + b"\n" + after)
    os.utime(folder / EVENTS_FILE, (at, at))


def test_the_parameters_of_qwen3_are_those_that_it_is_known_for() -> None:
    shape = Shape.of(QWEN)
    assert shape.body_linear == 440_401_920
    assert shape.embedding == 155_582_464
    assert shape.parameters == 596_049_920
    assert Shape.of(QWEN | {"tie_word_embeddings": False}).parameters == 596_049_920 + 155_582_464


def test_flops_of_a_token_count_what_is_trained_and_nothing_else() -> None:
    shape = Shape.of(QWEN)
    full = estimate.flops_per_token(shape, Recipe(), context=465, trained_share=0.5)
    lora = estimate.flops_per_token(shape, Recipe(mode="lora"), context=465, trained_share=0.5)
    assert full == pytest.approx(6 * 440.402e6 + 0.344064e6 * 466 + 6 * 155.582e6 * 0.5, rel=1e-4)
    assert lora == pytest.approx(4 * 440.402e6 + 0.344064e6 * 466 + 4 * 155.582e6 * 0.5, rel=1e-4)


def test_what_trains_decides_gradients_moments_and_copies() -> None:
    shape = Shape.of(QWEN)
    full = estimate.memory_of(shape, Recipe(), LOAD)
    assert full.weights == full.gradients == 4 * shape.parameters
    assert full.optimizer == 2 * full.gradients
    assert full.copies == full.weights + full.optimizer
    lora = estimate.memory_of(shape, Recipe(mode="lora", lora_rank=16), LOAD)
    widths = (1024 + 2048) * 2 + (1024 + 1024) * 2 + (1024 + 3072) * 3
    assert lora.gradients == 4 * 28 * 16 * widths
    assert lora.weights == full.weights + lora.gradients
    assert lora.optimizer == 2 * lora.gradients
    few = estimate.memory_of(shape, Recipe(mode="lora", lora_targets=("q_proj", "v_proj")), LOAD)
    assert few.gradients == 4 * 28 * 16 * (1024 + 2048 + 1024 + 1024)


def test_memory_falls_with_every_means_to_save_it() -> None:
    shape = Shape.of(QWEN)

    def peak(recipe: Recipe, held: Load = LOAD, *, cuda: bool = True) -> int:
        return estimate.memory_of(shape, recipe, held, cuda=cuda).peak

    assert peak(Recipe(gradient_checkpointing=True)) < peak(Recipe())
    assert peak(Recipe(mode="qlora")) < peak(Recipe(mode="lora")) < peak(Recipe())
    assert peak(Recipe(dtype="bfloat16"), Load(tokens=16384, trained_tokens=8192)) < peak(
        Recipe(), Load(tokens=16384, trained_tokens=8192)
    )
    assert peak(Recipe(), Load(tokens=256, trained_tokens=128)) < peak(Recipe())
    # Nothing of the host's counts as the device's; on the CPU all of it does.
    assert peak(Recipe()) < peak(Recipe(), cuda=False)


def test_logits_are_never_more_than_are_computed_at_once() -> None:
    shape = Shape.of(QWEN)
    most = estimate.memory_of(shape, Recipe(), Load(tokens=10**6, trained_tokens=10**6)).logits
    assert most == 3 * 4 * estimate.LOGITS_AT_ONCE


def test_a_micro_batch_holds_no_more_than_the_quest_has() -> None:
    recipe = Recipe(max_length=256, rows_per_step=8, rows_per_micro_batch=2)
    assert Load.of(recipe) == Load(tokens=512, trained_tokens=512, micro_batches=4)
    assert Load.of(recipe, tokens=300, trained_share=0.5) == Load(tokens=300, trained_tokens=150, micro_batches=1)
    assert Load.of(Recipe(rows_per_step=2, rows_per_micro_batch=64)).tokens == 512


@pytest.mark.parametrize("broken", [{"hidden_size": None}, {"num_hidden_layers": "28"}, {"vocab_size": 0}])
def test_a_shape_that_is_not_told_is_named(broken: dict[str, Any]) -> None:
    with pytest.raises(UnknownShape, match=next(iter(broken))):
        Shape.of(QWEN | broken)


def test_stops_are_the_checkpoints_that_training_will_save() -> None:
    recipe = Recipe(save_every=100)
    assert estimate.count_stops(recipe, first_step=0, last_step=250) == 3
    assert estimate.count_stops(recipe, first_step=100, last_step=200) == 1
    assert estimate.count_stops(recipe, first_step=250, last_step=260) == 1


def test_seconds_are_those_of_the_steps_and_of_each_stop() -> None:
    assert estimate.seconds_of(measured(), tokens=500, stops=1) == pytest.approx(10 + 5)


def test_the_newest_battle_of_the_same_size_is_asked(world: World) -> None:
    fought(world, "old", measured(battle="old"), at=1)
    fought(world, "new", measured(battle="new"), at=3, after=b'{"seq": 10, "kind": "battle_co')
    fought(world, "other", measured(battle="other", like=LIKE | {"threads": 1}), at=4)
    (world.battles / "bare").mkdir()
    found = estimate.measured_like(world.battles, LIKE)
    assert found is not None
    assert found.battle == "new"
    assert [one.battle for one in estimate.measured_battles(world.battles)] == ["other", "new", "old"]
    assert estimate.measured_like(world.battles, LIKE | {"device": "another"}) is None


@pytest.mark.parametrize("line", [b"{", b"[]", b'{"kind": "battle_completed", "data": {}}', b"\xff\n"])
def test_events_of_another_version_tell_nothing(world: World, line: bytes) -> None:
    folder = world.battles / "b"
    folder.mkdir()
    (folder / EVENTS_FILE).write_bytes(line + b"\n")
    assert list(estimate.measured_battles(world.battles)) == []


@pytest.fixture
def quest(world: World, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    settings.REALM = load(world, {}, recipe=Recipe)
    monkeypatch.setattr(quest_estimate, "machine", lambda: Machine(device="cpu", cuda=False, memory_bytes=8 * 10**9))
    path = tmp_path / "mine.jsonl"
    path.write_text("".join(f'{{"prompt": "a {number:04d}", "completion": "b"}}\n' for number in range(1000)))
    return path


def say(*words: str) -> str:
    out = io.StringIO()
    call_command("estimate", *words, stdout=out)
    return out.getvalue()


def alike(recipe: Recipe, shape: Shape, **fields: Any) -> Measured:
    like = estimate.likeness(recipe, device="cpu", parameters=shape.parameters, threads=2)
    return measured(like=like, **fields)


def test_what_was_never_measured_is_not_invented(quest: Path) -> None:
    said = say(str(quest))
    assert "950 of 1000 rows would be taken" in said
    assert "steps     16 (16150 tokens, 1 epoch(s), mode full)" in said  # fifteen examples of 17 in a row of 256
    assert "time      not known: no battle of this size was fought on this device yet" in said
    assert "process itself: measured when the first battle begins, and not in the sum" in said
    assert "errors    none known yet" in said
    assert "0.92 M parameters" in said


def test_what_earlier_battles_measured_is_used_and_their_errors_are_told(
    quest: Path, world: World, settings: Settings
) -> None:
    recipe = resolve(world, settings.REALM).recipe
    shape = quest_estimate.hero_shape(world, settings.REALM)
    fought(world, "b1", alike(recipe, shape, battle="b1"))
    seen = quest_estimate.outlook(world, settings.REALM, resolve(world, settings.REALM), quest)
    assert seen.report.tokens is not None
    assert seen.seconds == pytest.approx(seen.report.tokens * 20 / 1000 + 5)
    assert seen.memory.process == 4 * 10**8
    said = say(str(quest))
    assert f"steps     {seen.report.steps} (" in said
    assert "at the speed of b1" in said
    assert "errors    b1: memory -5.0%, time +10.0%" in said
    assert "400.0 MB  process itself" in said


def test_another_preset_is_another_size(quest: Path, world: World, settings: Settings) -> None:
    recipe = resolve(world, settings.REALM).recipe
    fought(world, "b1", alike(recipe, quest_estimate.hero_shape(world, settings.REALM), battle="b1"))
    said = say(str(quest), "--preset", "deep-training")
    assert "time      not known" in said
    assert "at the speed of b1" not in said


def test_twin_without_the_comparison_of_size_a_wrong_time_is_told(
    quest: Path, world: World, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = resolve(world, settings.REALM).recipe
    fought(world, "b1", alike(recipe, quest_estimate.hero_shape(world, settings.REALM), battle="b1"))
    monkeypatch.setattr(quest_estimate, "_is_alike", lambda battle, like: True)
    assert "at the speed of b1" in say(str(quest), "--preset", "deep-training")


def test_more_than_the_machine_has_is_said(quest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quest_estimate, "machine", lambda: Machine(device="cpu", cuda=False, memory_bytes=10**6))
    assert "That is more than there is: lower rows_per_micro_batch" in say(str(quest))


def test_what_cannot_be_read_is_one_sentence(quest: Path, tmp_path: Path, settings: Settings) -> None:
    with pytest.raises(CommandError, match=r"nowhere\.jsonl"):
        say(str(tmp_path / "nowhere.jsonl"))
    with pytest.raises(CommandError, match="--preset: preset: there is none called 'fast'"):
        say(str(quest), "--preset", "fast")
    settings.REALM = replace(settings.REALM, base_model="Qwen/Qwen3-0.6B")
    with pytest.raises(CommandError, match="is known once the hero has saved a whole checkpoint"):
        say(str(quest))


def test_the_shape_of_a_hub_model_comes_with_its_first_checkpoint(
    world: World, settings: Settings, quest: Path
) -> None:
    folder = world.heroes / "DIO" / "checkpoint-100-20260101-0000"
    folder.mkdir(parents=True)
    (folder / ".ledger.json").write_text("{}")
    (folder / "config.json").write_text(json.dumps(QWEN))
    found = quest_estimate.hero_shape(world, replace(settings.REALM, base_model="Qwen/Qwen3-0.6B"))
    assert found == Shape.of(QWEN)
