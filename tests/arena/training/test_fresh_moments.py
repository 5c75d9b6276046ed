"""Where the optimizer begins anew, the rate warms up again from there, and a resumed run knows it."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from arena.protocol import STEP_DTYPE, Order
from arena.recipe import Recipe
from arena.training import optimizer
from arena.training.saving import checkpoint
from realm.checkpoints import sidecar
from realm.disk import durable
from tests.arena.training.test_resume import run_in_parts
from tests.support import tiny_hero
from tests.support.runs import digests, newest, run

pytestmark = pytest.mark.slow

RECIPE = replace(tiny_hero.RECIPE, warmup_steps=4)
CHANGES: dict[str, Recipe] = {
    "to muon": replace(RECIPE, optimizer="muon"),
    "to lora": replace(RECIPE, mode="lora", lora_rank=4),
}


def next_battle(order: Order, recipe: Recipe, name: str = "second") -> Order:
    """Another quest of the same hero, by another recipe."""
    folder = Path(order.battle_folder).with_name(name)
    folder.mkdir()
    quest = tiny_hero.write_quest(folder / "quest.jsonl", 80, seed=1)
    made = replace(
        order,
        battle=name,
        battle_folder=str(folder),
        quest_file=str(quest),
        quest_sha256=sidecar.digest(quest),
        recipe=recipe,
    )
    made.write()
    return made


def rates(order: Order) -> list[float]:
    steps = np.fromfile(Path(order.battle_folder) / "steps.bin", dtype=STEP_DTYPE)
    return [round(float(rate), 6) for rate in steps["learning_rate"]]


def test_the_same_training_goes_on_at_full_rate(tmp_path: Path) -> None:
    first = tiny_hero.make_order(tmp_path, recipe=RECIPE)
    run(first)
    second = next_battle(first, RECIPE)
    run(second)
    assert rates(first)[:5] == [0.0025, 0.005, 0.0075, 0.01, 0.01]
    assert set(rates(second)) == {0.01}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_warms_up_again(tmp_path: Path, change: str) -> None:
    first = tiny_hero.make_order(tmp_path, recipe=RECIPE)
    run(first)
    second = next_battle(first, CHANGES[change])
    run(second)
    assert rates(second)[:5] == [0.0025, 0.005, 0.0075, 0.01, 0.01]
    since = json.loads((newest(second) / checkpoint.STATE_FILE).read_bytes())["moments_since"]
    assert since == sidecar.read(newest(second)).step - len(rates(second))


def outcome(tmp_path: Path, name: str, finish: Callable[[Order], object]) -> dict[str, str]:
    (tmp_path / name).mkdir()
    first = tiny_hero.make_order(tmp_path / name, recipe=RECIPE)
    run(first)
    second = next_battle(first, CHANGES["to muon"])
    finish(second)
    return digests(second)


def resumed_within_the_warmup(order: Order) -> None:
    begun = sidecar.read(newest(order)).step
    run_in_parts(order, (begun + 2,))


def test_a_resume_within_the_warmup_is_exact(tmp_path: Path) -> None:
    assert outcome(tmp_path, "parts", resumed_within_the_warmup) == outcome(tmp_path, "whole", run)


def test_without_the_step_that_it_began_at_it_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin."""
    whole = outcome(tmp_path, "whole", run)
    original = checkpoint.load_state

    def forgetful(*args: object, **named: object) -> int | None:
        return None if original(*args, **named) is None else 0  # type: ignore[arg-type]

    monkeypatch.setattr(checkpoint, "load_state", forgetful)
    assert outcome(tmp_path, "parts", resumed_within_the_warmup) != whole


def test_a_checkpoint_from_before_goes_on(tmp_path: Path) -> None:
    """Its training state names neither optimizer nor beginning: AdamW, since the hero's first step."""
    first = tiny_hero.make_order(tmp_path, recipe=RECIPE)
    run(first)
    folder = newest(first)
    state = json.loads((folder / checkpoint.STATE_FILE).read_bytes())
    old = {key: value for key, value in state.items() if key not in ("optimizer", "moments_since")}
    durable.write_json(folder / checkpoint.STATE_FILE, old)
    sidecar.write(folder, replace(sidecar.read(folder), files=sidecar.prove_files(folder)))
    second = next_battle(first, RECIPE)
    run(second)
    assert set(rates(second)) == {0.01}


def mean_loss_behind_a_change(folder: Path) -> float:
    """A hero that has learned something trains an adapter, then all of its weights again: what that began with."""
    folder.mkdir()
    recipe = replace(RECIPE, warmup_steps=20, epochs=6, save_every=1000)
    first = tiny_hero.make_order(folder, rows=80, recipe=recipe)
    run(first)
    second = next_battle(first, replace(recipe, mode="lora", lora_rank=4, epochs=1), "second")
    run(second)
    third = next_battle(second, replace(recipe, epochs=1), "third")
    run(third)
    steps = np.fromfile(Path(third.battle_folder) / "steps.bin", dtype=STEP_DTYPE)
    return float(steps["loss"][:8].mean())


def test_what_was_learned_outlives_a_change_of_mode_and_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its twin: at the full rate from the first step on, fresh moments undo some of it."""
    warmed_up = mean_loss_behind_a_change(tmp_path / "warmed up")
    original = optimizer.learning_rate
    monkeypatch.setattr(optimizer, "learning_rate", lambda recipe, step, **_: original(recipe, step))
    at_once = mean_loss_behind_a_change(tmp_path / "at once")
    assert warmed_up < at_once - 0.1
