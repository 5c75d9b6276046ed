"""What the trainer says a battle will take, held against torch itself and against the battle."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from arena import estimate
from arena.estimate import Load
from arena.hero import model as heroes
from arena.hero.model import Hero
from arena.protocol import STEP_DTYPE, STEPS_FILE, EventKind, Order
from arena.recipe import Recipe
from arena.rows.example import Example
from arena.training.batch import join
from arena.training.control import Control, Request
from arena.training.loss import token_losses
from arena.training.reporting import metrics
from arena.training.reporting.metrics import memory_in_use
from realm.checkpoints import sidecar
from tests.support import tiny_hero
from tests.support.runs import run

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
WIDE = {
    "hidden_size": 128,
    "intermediate_size": 384,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
}
RECIPES = [
    Recipe(),
    Recipe(mode="lora"),
    Recipe(mode="lora", lora_targets=("q_proj", "down_proj"), lora_rank=8),
]


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[Hero, estimate.Shape]]:
    def build(recipe: Recipe, **overrides: Any) -> tuple[Hero, estimate.Shape]:
        base = tiny_hero.make_base(tmp_path_factory.mktemp("base") / "base", **WIDE, **overrides)
        hero = heroes.load(str(base), recipe, checkpoint=None, device=CPU)
        return hero, estimate.read_shape(base)

    return build


@pytest.mark.parametrize("recipe", RECIPES)
def test_parameters_are_counted_as_torch_counts_them(make: Callable[..., Any], recipe: Recipe) -> None:
    hero, shape = make(recipe)
    assert estimate.weight_bytes(shape, recipe) == sum(parameter.nbytes for parameter in hero.model.parameters())
    assert estimate.trained_parameters(shape, recipe) == sum(each.numel() for each in hero.trainable.values())


@pytest.mark.parametrize(
    "recipe",
    [Recipe(mode=mode, dtype=dtype) for mode in ("full", "lora") for dtype in ("float32", "bfloat16")],
    ids=str,
)
def test_activations_are_those_that_autograd_keeps(make: Callable[..., Any], recipe: Recipe) -> None:
    hero, shape = make(recipe)
    kept = _kept_bytes(hero, rows=8, length=256)
    load = Load(tokens=2048, trained_tokens=1024)
    logits_kept = 4 * load.trained_tokens * shape.vocabulary
    assert estimate.activation_bytes(shape, recipe, load) == pytest.approx(kept - logits_kept, rel=0.05)


def test_twin_gradient_checkpointing_keeps_less(make: Callable[..., Any]) -> None:
    recipe = Recipe(gradient_checkpointing=True)
    hero, shape = make(recipe)
    kept = _kept_bytes(hero, rows=8, length=256)
    without = estimate.activation_bytes(
        shape, replace(recipe, gradient_checkpointing=False), Load(tokens=2048, trained_tokens=1024)
    )
    assert kept < 0.5 * without


def _kept_bytes(hero: Hero, *, rows: int, length: int) -> int:
    """Of distinct storages that the forward pass keeps for the backward pass, weights left out."""
    source = np.random.default_rng(0)
    tokens = source.integers(5, 900, size=(rows, length))
    labels = np.where(np.arange(length) % 2, tokens, -100)
    batch = join([Example(row, tokens[row], labels[row]) for row in range(rows)])
    weights = {parameter.untyped_storage().data_ptr() for parameter in hero.model.parameters()}
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.untyped_storage().data_ptr() not in weights:
            kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    hero.model.train()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor), hero.autocast():
        loss = token_losses(hero, batch).sum()
    size = sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
    del loss
    return size


def test_the_peak_between_two_calls_is_seen_though_it_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    def rise() -> int:
        memory_in_use(CPU)
        before = memory_in_use(CPU)
        passing = torch.ones(64 * 2**20, dtype=torch.uint8)
        del passing
        return memory_in_use(CPU) - before

    assert rise() > 60 * 2**20
    # Sabotage: what is resident at the moment of asking knows nothing of it.
    monkeypatch.setattr(metrics, "_STATUS", Path("/nowhere"))
    assert rise() < 30 * 2**20


def order_of(folder: Path, number: int, **recipe: Any) -> Order:
    """The hero's battle of that number; each on a quest of its own."""
    battle = folder / "battles" / f"b{number}"
    battle.mkdir(parents=True)
    quest = tiny_hero.write_quest(folder / f"quest{number}.jsonl", 80, seed=number)
    changed = replace(tiny_hero.RECIPE, **recipe)
    order = Order(
        battle=battle.name,
        battle_folder=str(battle),
        quest=quest.stem,
        quest_file=str(quest),
        quest_sha256=sidecar.digest(quest),
        hero="DIO",
        hero_folder=str(folder / "hero"),
        base_model=str(folder / "base"),
        recipe=changed,
    )
    order.write()
    return order


def test_a_battle_is_estimated_by_the_last_of_its_size_and_told_how_far_off(tmp_path: Path) -> None:
    tiny_hero.make_base(tmp_path / "base")
    estimates, ends = [], []
    for number, recipe in enumerate([{}, {}, {"rows_per_step": 2}]):
        events = run(order_of(tmp_path, number, **recipe))
        estimates.append(next(event.data["estimate"] for event in events if event.kind == EventKind.BATTLE_STARTED))
        ends.append(events[-1].data["measured"])
    assert [said["based_on"] for said in estimates] == [None, "b0", None]
    assert [said["seconds"] is None for said in estimates] == [True, False, True]
    assert [end["seconds_error"] is None for end in ends] == [True, False, True]
    assert ends[1]["seconds_error"] == pytest.approx(estimates[1]["seconds"] / ends[1]["seconds"] - 1)
    for said, end in zip(estimates, ends, strict=True):
        assert end["memory_error"] == pytest.approx(said["memory"]["peak"] / end["peak_bytes"] - 1)
        assert said["machine_bytes"] > end["peak_bytes"] > end["process"] > 0
        assert end["seconds"] >= end["step_seconds"] > 0
        assert end["stops"] >= said["steps"] // tiny_hero.RECIPE.save_every


def test_what_was_measured_is_what_the_records_say(tmp_path: Path) -> None:
    tiny_hero.make_base(tmp_path / "base")
    order = order_of(tmp_path, 0)
    events = run(order)
    records = np.fromfile(Path(order.battle_folder) / STEPS_FILE, STEP_DTYPE)
    end = events[-1].data["measured"]
    assert end["tokens"] == records["tokens"].sum() == end["quest_tokens"]
    assert end["step_seconds"] == pytest.approx(records["step_seconds"].sum(), rel=1e-5)
    assert end["peak_bytes"] >= records["memory_bytes"].max()
    assert end["quest_bytes"] == Path(order.quest_file).stat().st_size
    assert end["row_fill"] == pytest.approx(events[0].data["row_fill"])


def test_a_resumed_battle_is_estimated_and_measured_from_where_it_goes_on(tmp_path: Path) -> None:
    tiny_hero.make_base(tmp_path / "base")
    order = order_of(tmp_path, 0, rows_per_step=1, rows_per_micro_batch=1)
    control = Control()
    first = run(
        order, control, lambda event: control.request(Request.PAUSE) if event.kind == "checkpoint_saved" else None
    )
    assert first[-1].kind == EventKind.BATTLE_PAUSED
    rest = run(order)
    said = next(event.data["estimate"] for event in rest if event.kind == EventKind.BATTLE_RESUMED)
    total = first[0].data["total_steps"]
    assert 0 < said["steps"] < total
    records = np.fromfile(Path(order.battle_folder) / STEPS_FILE, STEP_DTYPE)
    assert rest[-1].data["measured"]["tokens"] == records["tokens"][total - said["steps"] :].sum()
