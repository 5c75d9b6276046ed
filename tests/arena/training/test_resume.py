"""Paused, killed or left alone: the weights end the same, bit for bit. The twins take one part of the state away."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from arena.hero.model import load
from arena.protocol import EventKind, Order
from arena.recipe import Recipe
from arena.training import train
from arena.training.control import Control, Request
from arena.training.data import PackedQuest, load_quest
from arena.training.loss import mean_loss
from arena.training.saving import checkpoint
from realm.checkpoints import sidecar
from realm.checkpoints.cursor import Cursor
from realm.checkpoints.names import checkpoint_folders
from tests.support import tiny_hero
from tests.support.runs import digests, newest, run

pytestmark = pytest.mark.slow

DROPOUT = replace(tiny_hero.RECIPE, mode="lora", lora_rank=4, lora_dropout=0.5)


def run_in_parts(order: Order, pause_at: tuple[int, ...]) -> None:
    """Each part in a state as fresh as a new process has it, ended by a pause at a checkpoint of its own."""
    original = train.step_record
    for step in pause_at:
        control = Control()

        def pausing(trainee: train.Trainee, *rest: object, _step: int = step, _control: Control = control) -> object:
            if trainee.step == _step:
                _control.request(Request.PAUSE)
            return original(trainee, *rest)  # type: ignore[arg-type]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(train, "step_record", pausing)
            events = run(order, control)
        assert events[-1].kind == EventKind.BATTLE_PAUSED
        assert sidecar.read(newest(order)).step == step
        torch.manual_seed(999)  # what another process would have here
    assert run(order)[-1].kind == EventKind.BATTLE_COMPLETED


MUON = replace(tiny_hero.RECIPE, optimizer="muon", weight_average=0.5)


@pytest.fixture(params=[tiny_hero.RECIPE, DROPOUT, MUON], ids=["full", "lora-dropout", "muon"])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Order, Order]:
    """The same order in two places."""
    orders = []
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
        orders.append(tiny_hero.make_order(tmp_path / name, recipe=request.param))
    return orders[0], orders[1]


def test_resumed_equals_uninterrupted(pair: tuple[Order, Order]) -> None:
    whole, parts = pair
    assert run(whole)[-1].kind == EventKind.BATTLE_COMPLETED
    run_in_parts(parts, (2, 4))
    assert digests(parts) == digests(whole)
    assert sidecar.read(newest(parts)).cursor == sidecar.read(newest(whole)).cursor


def _forget_rng(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(checkpoint, "_load_rng", lambda *_: None)


def _forget_optimizer(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(checkpoint, "_load_optimizer", lambda *_: None)


def _forget_cursor(patch: pytest.MonkeyPatch) -> None:
    fresh = Cursor(quest_sha256="", epoch=0, position=0, quest_step=0, finished=False)
    patch.setattr(train, "cursor_of", lambda order, saved: replace(fresh, quest_sha256=order.quest_sha256))


@pytest.mark.parametrize(
    ("recipe", "sabotage"),
    [(DROPOUT, _forget_rng), (DROPOUT, _forget_optimizer), (DROPOUT, _forget_cursor), (MUON, _forget_optimizer)],
)
def test_without_a_part_of_the_state_it_does_not(
    recipe: Recipe, sabotage: Callable[[pytest.MonkeyPatch], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = []
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
        orders.append(tiny_hero.make_order(tmp_path / name, recipe=recipe))
    whole, parts = orders
    run(whole)
    sabotage(monkeypatch)
    run_in_parts(parts, (2, 4))
    assert digests(parts) != digests(whole)


def test_a_finished_battle_run_again_trains_nothing(tmp_path: Path) -> None:
    order = tiny_hero.make_order(tmp_path)
    first = run(order)
    again = run(order)
    assert first[-1].kind == EventKind.BATTLE_COMPLETED
    assert again == []
    steps = (tmp_path / "battle" / "steps.bin").stat().st_size
    run(order)
    assert (tmp_path / "battle" / "steps.bin").stat().st_size == steps


def test_a_damaged_newest_checkpoint_falls_back_and_says_so(tmp_path: Path) -> None:
    order = tiny_hero.make_order(tmp_path)
    run(order)
    damaged = newest(order)
    expected = digests(order)
    weights = bytearray((damaged / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (damaged / "model.safetensors").write_bytes(weights)
    events = run(order)
    refusal = next(event for event in events if event.kind == EventKind.CHECKPOINT_REFUSED)
    assert "model.safetensors has changed" in refusal.message
    assert events[-1].kind == EventKind.BATTLE_COMPLETED
    assert digests(order) == expected
    assert list(damaged.parent.glob(f"damaged-{damaged.name}-*"))


@pytest.mark.parametrize("recipe", [tiny_hero.RECIPE, MUON], ids=["full", "muon"])
def test_the_ledgers_train_loss_is_that_of_the_saved_weights(tmp_path: Path, recipe: Recipe) -> None:
    """Recomputed from each checkpoint on the step that its cursor points at, or on the last one."""
    order = tiny_hero.make_order(tmp_path, recipe=recipe)
    run(order)
    folders = checkpoint_folders(Path(order.hero_folder))
    assert len(folders) > 1
    for folder in folders:
        entry = sidecar.read(folder)
        loss = recomputed(order, folder, min(entry.cursor.quest_step, newest_cursor(order).quest_step - 1))
        assert loss == pytest.approx(entry.train_loss, abs=1e-6)
        assert recomputed(order, folder, 0) != pytest.approx(entry.train_loss, abs=1e-6)


def newest_cursor(order: Order) -> Cursor:
    return sidecar.read(newest(order)).cursor


def recomputed(order: Order, folder: Path, position: int) -> float:
    hero = load(order.base_model, order.recipe, checkpoint=folder, device=torch.device("cpu"))
    loaded = load_quest(Path(order.quest_file), hero.mask, order.recipe)
    quest = PackedQuest(loaded.examples, order.recipe, quest_sha256=order.quest_sha256)
    return mean_loss(hero, quest.step(0, position))
