"""A step that is done again is the recorded one bit for bit, and leaves everything as it was."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from arena import worst_rows
from arena.protocol import STEP_DTYPE, STEPS_FILE, Order
from arena.step_search import place_of
from arena.training import replay as replaying
from arena.training.lowered_rate import LoweredRate
from arena.training.replay import CannotReplay, Replay, replay
from arena.training.saving import checkpoint
from realm.checkpoints.names import checkpoint_folders
from tests.support import tiny_hero
from tests.support.runs import run

pytestmark = pytest.mark.slow

RECIPES = {
    "full": replace(tiny_hero.RECIPE, save_every=3),
    "lora-dropout": replace(tiny_hero.RECIPE, save_every=3, mode="lora", lora_rank=4, lora_dropout=0.5),
}
Fought = Callable[[str], Order]


@pytest.fixture(scope="module")
def fought(tmp_path_factory: pytest.TempPathFactory) -> Fought:
    """A battle that is over, by its recipe."""
    found: dict[str, Order] = {}

    def of(name: str) -> Order:
        if name not in found:
            found[name] = tiny_hero.make_order(tmp_path_factory.mktemp(name), recipe=RECIPES[name])
            run(found[name])
        return found[name]

    return of


def check_step(order: Order, step: int) -> Replay:
    torch.manual_seed(999)  # what another process would have here
    found = replay(order, step)
    assert found.identical, (found.replayed, found.recorded)
    assert found.steps_between == (step - 1) % order.recipe.save_every
    return found


def contents(folder: Path) -> dict[str, tuple[str, int]]:
    return {
        str(path.relative_to(folder)): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_step_is_the_recorded_one_and_nothing_is_written(fought: Fought, recipe: str) -> None:
    order = fought(recipe)
    world = Path(order.hero_folder).parent
    before = contents(world)
    found = check_step(order, 5)
    assert contents(world) == before
    assert found.checkpoint
    trained = sum(row.trained_tokens for row in found.rows)
    assert trained == found.replayed.trained_tokens == found.recorded.trained_tokens
    mean = math.fsum(row.loss * row.trained_tokens for row in found.rows) / trained
    assert mean == pytest.approx(found.recorded.loss, rel=1e-5)
    assert all(change.changed and change.norm_before != change.norm_after for change in found.tensors)


def test_rows_are_those_of_the_quests_file(fought: Fought) -> None:
    order = fought("full")
    found = check_step(order, 1)
    assert found.checkpoint is None
    for row in found.rows:
        asked, answer = (message["content"] for message in tiny_hero.row_of(order, row.line)["messages"])
        assert asked in row.text
        assert row.trained_text.startswith(answer)
        assert not row.rehearsed


def _forget_moments(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(checkpoint, "_load_optimizer", lambda *_: None)


def _halve_rate(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(LoweredRate, "scale", lambda *_: 0.5)


def _other_rows(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(replaying, "cursor_of", lambda order, saved: replace(saved.cursor, position=0))


@pytest.mark.parametrize("sabotage", [_forget_moments, _halve_rate, _other_rows])
def test_twins_another_step_is_told_from_the_recorded_one(
    fought: Fought, sabotage: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    sabotage(monkeypatch)
    with pytest.raises(AssertionError):
        check_step(fought("full"), 5)


def check_worst_rows(order: Order) -> None:
    """What the battle wrote down, against each row's loss as the replay measures it."""
    known = worst_rows.read(Path(order.battle_folder), 5)
    assert known
    found = check_step(order, 5)
    losses = {(-row.line if row.rehearsed else row.line): row.loss for row in found.rows}
    assert known.rows == len(found.rows) > 1
    assert [row.loss for row in known.worst] == sorted((row.loss for row in known.worst), reverse=True)
    assert known.worst[0].loss == pytest.approx(max(losses.values()), rel=1e-5)
    assert {row.line: row.loss for row in known.worst} == pytest.approx(
        {row.line: losses[row.line] for row in known.worst}, rel=1e-5
    )


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_rows_of_the_highest_loss_are_written_down(fought: Fought, recipe: str) -> None:
    order = fought(recipe)
    check_worst_rows(order)
    path = Path(order.battle_folder) / worst_rows.WORST_ROWS_FILE
    assert np.fromfile(path, worst_rows.DTYPE)["step"].tolist() == [
        int(step) for step in np.fromfile(path.with_name(STEPS_FILE), STEP_DTYPE)["step"]
    ]
    assert worst_rows.read(path.parent, 10_000) is None
    assert worst_rows.read(path.parent.parent, 5) is None


def test_twin_rows_of_another_step_are_told_apart(fought: Fought, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worst_rows, "place_of", lambda path, step, size: place_of(path, step - 1, size))
    with pytest.raises(AssertionError):
        check_worst_rows(fought("full"))


def test_a_tensor_and_a_row_of_it(fought: Fought) -> None:
    order = fought("full")
    name = "model.layers.0.mlp.up_proj.weight"
    found = replay(order, 4, tensor=name, row=1).inspected
    assert found is not None
    assert len(found.before) == len(found.after) == tiny_hero.SHAPE["hidden_size"]
    assert found.before != found.after
    with pytest.raises(CannotReplay, match=r"no tensor that trains is called up_proj.*up_proj\.weight"):
        replay(order, 4, tensor="up_proj")
    with pytest.raises(CannotReplay, match="has no row 64"):
        replay(order, 4, tensor=name, row=64)


def test_what_cannot_be_done_again_says_why(fought: Fought, tmp_path: Path) -> None:
    order = fought("full")
    last = int(np.fromfile(Path(order.battle_folder) / STEPS_FILE, STEP_DTYPE)["step"][-1])
    with pytest.raises(CannotReplay, match=f"has no step 999; it has steps 1 to {last}"):
        replay(order, 999)
    bare = tiny_hero.make_order(tmp_path)
    with pytest.raises(CannotReplay, match="has done no step yet"):
        replay(bare, 1)


def test_without_a_checkpoint_it_begins_at_the_base(fought: Fought, tmp_path: Path) -> None:
    order = fought("full")
    assert checkpoint_folders(Path(order.hero_folder))
    found = check_without(replace(order, hero_folder=str(tmp_path)))
    assert found.steps_between == 4


def check_without(order: Order) -> Replay:
    found = replay(order, 5)
    assert found.identical
    assert found.checkpoint is None
    return found
