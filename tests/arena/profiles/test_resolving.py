"""The recipe of a hero: its profile by architecture and size, what memory allows, and the player's keys over both."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from arena.estimate import Shape
from arena.profiles import fitting, resolving
from arena.profiles.fitting import Place
from arena.profiles.hero_model import HeroModel, model_in
from arena.profiles.machine import Machine, allowance_of
from arena.profiles.profile import profile_of
from arena.recipe import Recipe
from realm.checkpoints import branches
from realm.config import RealmConfig, load
from realm.strict import BadConfig
from realm.world import World
from tests.support.checkpoints import make_checkpoint

QWEN = {
    "model_type": "qwen3", "hidden_size": 1024, "num_hidden_layers": 28, "num_attention_heads": 16,
    "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 3072, "vocab_size": 151936,
    "tie_word_embeddings": True,
}  # fmt: skip
LARGER = {"hidden_size": 2048, "intermediate_size": 6144}
LARGEST = {"hidden_size": 2560, "num_hidden_layers": 36, "num_attention_heads": 32, "intermediate_size": 9728}
PRESET = {"rows_per_step": 8, "warmup_steps": 20, "save_every": 100}


def qwen(**changes: Any) -> HeroModel:
    shape = Shape.of(QWEN | changes)
    return HeroModel(name="the model", model_type="qwen3", parameters=shape.parameters, shape=shape, positions=40960)


def fitted(model: HeroModel, gigabytes: float, *, cuda: bool = True, **keys: Any) -> fitting.Fit:
    here = Machine(device="any", cuda=cuda, memory_bytes=int(gigabytes * 10**9))
    place = Place(machine=here, allowance=allowance_of(here, None), process_bytes=0 if cuda else 450_000_000)
    return fitting.fit(model, profile_of(model), PRESET | keys, place, source="settings")


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (qwen(), "qwen3-0.6b"),
        (qwen(**LARGER), "qwen3-1.7b"),
        (qwen(**LARGEST), "qwen3-4b"),
        (replace(qwen(), model_type="llama"), "other-medium"),
        (replace(qwen(**LARGEST), model_type="mistral"), "other-large"),
        (HeroModel(name="x", model_type="gemma", parameters=2 * 10**8), "other-small"),
        (HeroModel(name="x", model_type="qwen3", parameters=918_912), "other-tiny"),
        (HeroModel(name="x", model_type="qwen3", parameters=918_912, exported=True), "exported"),
        (HeroModel(name="x", model_type="qwen3", parameters=918_912, embedded=True), "embedded"),
        (replace(qwen(), parameters=8 * 10**9), "other-large"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_model_has_one_profile(model: HeroModel, name: str) -> None:
    assert profile_of(model).name == name


def test_what_fits_learns_with_all_weights_at_the_rate_of_its_size() -> None:
    found = fitted(qwen(), 80)
    assert (found.recipe.mode, found.recipe.learning_rate, found.recipe.dtype) == ("full", 2e-5, "bfloat16")
    assert found.reason.startswith("full, 2e-5, bf16: about ")


def test_what_does_not_fit_is_an_adapter_and_the_reason_has_the_numbers() -> None:
    found = fitted(qwen(), 8)
    assert (found.recipe.mode, found.recipe.learning_rate) == ("lora", 2e-4)
    assert found.reason.startswith("LoRA r16, 2e-4, bf16")
    assert "full would need 13.5 of 8 GB" in found.reason
    assert not found.refusal


def test_fewer_rows_at_once_come_before_an_adapter_and_leave_the_step_as_it_is() -> None:
    found = fitted(qwen(), 24)
    assert (found.recipe.mode, found.recipe.rows_per_micro_batch, found.recipe.rows_per_step) == ("full", 2, 8)
    assert "2 of 8 rows at once, all at once would need" in found.reason


def test_what_nothing_makes_fit_is_refused_with_numbers() -> None:
    found = fitted(qwen(**LARGEST), 4)
    assert "would need" in found.refusal
    assert "of 4 GB" in found.refusal
    assert "4,022,468,096 parameters" in found.refusal


def test_twin_memory_that_is_not_looked_at_lets_anything_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "needed_bytes", lambda *_: 0)
    assert fitted(qwen(**LARGEST), 4).recipe.mode == "full"


def test_the_players_keys_stay() -> None:
    found = fitted(qwen(), 80, mode="lora", learning_rate=1e-3, max_length=512, dtype="float32")
    recipe = found.recipe
    assert (recipe.mode, recipe.learning_rate, recipe.max_length, recipe.dtype) == ("lora", 1e-3, 512, "float32")
    refused = fitted(qwen(), 8, mode="full")
    assert refused.refusal
    assert refused.recipe.mode == "full"


def test_a_row_is_no_longer_than_the_model_reads() -> None:
    assert fitted(replace(qwen(), positions=128), 80).recipe.max_length == 128


def test_the_settings_are_laid_over_each_other_in_order(world: World) -> None:
    (world.presets / "mine.yaml").parent.mkdir(exist_ok=True)
    (world.presets / "mine.yaml").write_text("learning_rate: 1e-3\nepochs: 2\nsave_every: 7\n")
    config = load(world, {}, recipe=Recipe)
    assert resolving.resolve(world, config).recipe.learning_rate == 2e-3  # of the profile
    (world.home / "config.yaml").write_text("preset: mine\ntraining: {epochs: 3}\n")
    config = load(world, {}, recipe=Recipe)
    recipe = resolving.resolve(world, config).recipe
    assert (recipe.learning_rate, recipe.epochs, recipe.save_every, recipe.max_length) == (1e-3, 3, 7, 256)
    own = resolving.resolve(world, config, {"preset": "quick-test", "epochs": 4}).recipe
    assert (own.learning_rate, own.epochs, own.save_every) == (2e-3, 4, 20)


def test_the_budget_is_held_and_what_is_beyond_it_refused(world: World) -> None:
    (world.home / "config.yaml").write_text("training: {rows_per_step: 8}\n")
    config = load(world, {}, recipe=Recipe)
    fewer = resolving.resolve(world, replace(config, memory_budget_gb=0.6))
    assert fewer.recipe.rows_per_micro_batch < fewer.recipe.rows_per_step == 8
    assert "of 0.6 GB" in fewer.reason
    refused = resolving.resolve(world, replace(config, memory_budget_gb=0.1))
    assert "of 0.1 GB" in refused.refusal


def test_a_branch_from_the_base_begins_as_its_profile_says(world: World) -> None:
    folder = make_checkpoint(world.heroes, 7)
    (folder / "training_state.json").write_text("{}")
    config = load(world, {}, recipe=Recipe)
    assert resolving.resolve(world, config).recipe.optimizer == "adamw"
    branches.go_on_from(folder.parent, None, moment=datetime.now(UTC))
    assert resolving.resolve(world, config).recipe.optimizer == "muon"


@pytest.mark.parametrize(("own", "mode"), [({}, "lora"), ({"max_length": 64}, "lora"), ({"mode": "full"}, "full")])
def test_a_quests_own_recipe_leaves_the_heros_mode(
    world: World, monkeypatch: pytest.MonkeyPatch, own: dict[str, Any], mode: str
) -> None:
    monkeypatch.setattr(fitting, "needed_bytes", needs_much_in_full)
    config = load(world, {}, recipe=Recipe)
    assert resolving.resolve(world, replace(config, memory_budget_gb=0.1), own).recipe.mode == mode


def needs_much_in_full(model: HeroModel, recipe: Recipe, place: Place) -> int:
    """A million bytes a token, so that rows of 64 tokens fit and rows of 256 do not."""
    return 10**6 * recipe.max_length if recipe.mode == "full" else 10**6


def test_twin_by_memory_alone_shorter_rows_would_change_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "needed_bytes", needs_much_in_full)
    config = replace(load(world, {}, recipe=Recipe), memory_budget_gb=0.1)
    assert resolving.resolve(world, replace(config, training={"max_length": 64})).recipe.mode == "full"


def test_what_only_the_rest_of_the_machine_leaves_no_room_for_is_not_said_to_fit() -> None:
    assert "full would need 23.2 of the 21.6 usable of 24 GB" in fitted(qwen(), 24, cuda=False).reason
    assert "full would need 13.5 of 8 GB" in fitted(qwen(), 8).reason


def save_model(folder: Path, config: dict[str, Any], numbers: int) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    save_file({"model.embed_tokens.weight": np.zeros((numbers,), np.float16)}, folder / "model.safetensors")
    return folder


def test_parameters_are_counted_in_the_files_of_any_architecture(tmp_path: Path) -> None:
    gpt = {"model_type": "gpt2", "n_embd": 32, "n_layer": 2, "n_head": 2, "vocab_size": 100, "n_positions": 64}
    found = model_in(save_model(tmp_path / "gpt", gpt, 1234), name="gpt")
    assert found is not None
    assert (found.parameters, found.positions, found.model_type) == (1234, 64, "gpt2")
    assert found.shape is not None
    assert found.shape.intermediate == 128
    odd = model_in(save_model(tmp_path / "odd", {"model_type": "odd"}, 50), name="odd")
    assert odd is not None
    assert (odd.shape, odd.parameters) == (None, 50)
    assert model_in(tmp_path, name="nothing") is None


def test_a_rate_far_from_what_suits_the_hero_is_asked_about(world: World, tmp_path: Path) -> None:
    folder = save_model(tmp_path / "big", QWEN | {"model_type": "llama"}, 400_000_000)
    config = RealmConfig(base_model=str(folder), training={"learning_rate": 2e-3, "mode": "full"})
    question = resolving.resolve(world, config).question
    assert "learning_rate 2e-3 is 100 times 2e-5" in question
    assert "other-medium" in question
    assert not resolving.resolve(world, replace(config, training={"learning_rate": 2e-4, "mode": "full"})).question
    assert not resolving.resolve(world, replace(config, training={})).question


def test_nothing_is_known_of_a_hub_model_that_is_not_here(world: World) -> None:
    found = resolving.resolve(world, RealmConfig(base_model="nobody/nothing"))
    assert (found.profile, found.refusal) == ("", "")
    assert "not on this machine yet" in found.reason


def test_keys_that_make_no_recipe_are_named(world: World) -> None:
    with pytest.raises(BadConfig, match=r"x: warmup_steps: 50 must be below schedule_steps"):
        resolving.resolve(
            world, RealmConfig(), {"schedule": "linear", "schedule_steps": 9, "warmup_steps": 50}, source="x"
        )


@pytest.mark.parametrize(("state", "optimizer"), [("{}", "adamw"), ('{"optimizer": "muon"}', "muon"), (None, "muon")])
def test_a_hero_keeps_the_optimizer_that_it_began_with(world: World, state: str | None, optimizer: str) -> None:
    """Its moments would be lost; without a checkpoint the profile decides, and a named one always does."""
    if state is not None:
        folder = world.heroes / "DIO" / "checkpoint-5-20260101-0000"
        folder.mkdir(parents=True)
        (folder / "training_state.json").write_text(state)
    config = load(world, {}, recipe=Recipe)
    assert resolving.resolve(world, config).recipe.optimizer == optimizer
    assert resolving.resolve(world, config, {"optimizer": "muon"}).recipe.optimizer == "muon"
