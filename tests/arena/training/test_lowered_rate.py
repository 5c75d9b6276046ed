"""The rate of a running battle is lowered: from the next step on, and a killed run's successor does the same."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from arena.protocol import RATE_FILE, STEP_DTYPE, EventKind, Order
from arena.training import train
from arena.training.control import Control
from arena.training.lowered_rate import LoweredRate
from tests.support import tiny_hero
from tests.support.runs import digests, run

pytestmark = pytest.mark.slow

RECIPE = replace(tiny_hero.RECIPE, warmup_steps=0, save_every=3)
LOWERED, ASKED_AT, KILLED_AT = 0.004, 4, 5


class Killed(Exception):
    pass


def fight(order: Order, *, kill: bool = False) -> None:
    """A battle whose rate is lowered behind step ASKED_AT, killed behind KILLED_AT if so wished."""
    control = Control()
    original = train.step_record

    def recording(trainee: train.Trainee, *rest: object) -> object:
        if trainee.step == ASKED_AT:
            (Path(order.battle_folder) / RATE_FILE).write_text(json.dumps({"learning_rate": LOWERED}))
            control.ask_rate()
        if kill and trainee.step == KILLED_AT:
            raise Killed
        return original(trainee, *rest)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "step_record", recording)
        run(order, control)


def order_in(folder: Path) -> Order:
    folder.mkdir()
    return tiny_hero.make_order(folder, rows=60, recipe=RECIPE)


def rates(order: Order) -> list[float]:
    steps = np.fromfile(Path(order.battle_folder) / "steps.bin", dtype=STEP_DTYPE)
    return [round(float(rate), 6) for rate in steps["learning_rate"]]


def killed_and_resumed(folder: Path) -> Order:
    order = order_in(folder)
    with pytest.raises(Killed):
        fight(order, kill=True)
    events = run(order)
    assert not any(event.kind == EventKind.RATE_CHANGED for event in events)  # told once
    return order


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Order:
    order = order_in(tmp_path_factory.mktemp("lowered") / "whole")
    fight(order)
    return order


def test_it_holds_from_the_next_step_on(whole: Order) -> None:
    found = rates(whole)
    assert set(found[:ASKED_AT]) == {RECIPE.learning_rate}
    assert set(found[ASKED_AT:]) == {LOWERED}
    lines = (Path(whole.battle_folder) / "events.jsonl").read_text().splitlines()
    (told,) = (event for event in map(json.loads, lines) if event["kind"] == EventKind.RATE_CHANGED)
    assert (told["step"], told["data"]) == (ASKED_AT, {"learning_rate": LOWERED, "quest_step": ASKED_AT})


def test_killed_and_resumed_it_ends_the_same(whole: Order, tmp_path: Path) -> None:
    parts = killed_and_resumed(tmp_path / "parts")
    assert rates(parts) == rates(whole)
    assert digests(parts) == digests(whole)


def _from_the_beginning(self: LoweredRate, quest_step: int, recipe_rate: float) -> float:
    return (self.newest or recipe_rate) / recipe_rate


@pytest.mark.parametrize("sabotage", [_from_the_beginning, lambda *_: 1.0])
def test_without_the_step_that_it_began_at_it_does_not(
    sabotage: Callable[..., float], whole: Order, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: the step between checkpoint and change is done again with the new rate, or the change is forgotten."""
    monkeypatch.setattr(LoweredRate, "scale", sabotage)
    parts = killed_and_resumed(tmp_path / "parts")
    assert digests(parts) != digests(whole)


def test_one_asked_while_nothing_ran_is_found_at_the_start(tmp_path: Path) -> None:
    order = order_in(tmp_path / "resting")
    (Path(order.battle_folder) / RATE_FILE).write_text(json.dumps({"learning_rate": 5.0}))
    run(order)
    assert set(rates(order)) == {RECIPE.learning_rate}  # never above the recipe
