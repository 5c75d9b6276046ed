"""Validation at its own intervals, and what a run that begins again does not say again."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from arena import convergence
from arena.protocol import Event, EventKind, Order
from arena.recipe import Recipe
from arena.training import train
from realm.checkpoints.names import checkpoint_folders
from tests.support import tiny_hero
from tests.support.runs import digests, run

pytestmark = pytest.mark.slow

RECIPE = replace(tiny_hero.RECIPE, save_every=10, validate_every=4)


def make(folder: Path, recipe: Recipe = RECIPE) -> Order:
    folder.mkdir()
    validation = tiny_hero.validation(folder, 5, seed=5)
    return tiny_hero.make_order(folder, rows=160, recipe=recipe, validation_sets=validation)


def steps_of(events: list[Event], kind: EventKind) -> list[int]:
    return [event.step for event in events if event.kind == kind]


def test_the_validation_set_is_scored_between_checkpoints(tmp_path: Path) -> None:
    order = make(tmp_path / "order")
    events = run(order)
    last = events[-1].step
    assert last > 12
    assert steps_of(events, EventKind.VALIDATED) == sorted({*range(0, last + 1, 4), last})
    assert events[-1].data["val_loss"] is not None


def test_scoring_changes_nothing_of_the_training(tmp_path: Path) -> None:
    lora = replace(RECIPE, mode="lora", lora_rank=4, lora_dropout=0.5)
    often, seldom = make(tmp_path / "often", lora), make(tmp_path / "seldom", replace(lora, validate_every=1000))
    run(often)
    run(seldom)
    assert digests(often) == digests(seldom)


class Killed(BaseException):
    pass


def test_a_killed_run_does_not_repeat_what_it_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps after the newest checkpoint are done again; their warnings and validations were told."""
    monkeypatch.setattr(convergence, "LEAST_STEPS", 2)
    monkeypatch.setattr(convergence, "PATIENCE", 3)
    monkeypatch.setattr(convergence, "LEAST_GAIN", 0.9)
    order = make(tmp_path / "order", replace(RECIPE, validate_every=1))
    original = train.optimizer_step

    def dies(trainee: train.Trainee, *rest: object, **named: object) -> tuple[torch.Tensor, torch.Tensor]:
        if trainee.step == 8:
            raise Killed
        return original(trainee, *rest, **named)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(train, "optimizer_step", dies)
        first: list[Event] = []
        with pytest.raises(Killed):
            run(order, on_event=first.append)
    assert not checkpoint_folders(Path(order.hero_folder))
    assert steps_of(first, EventKind.CONVERGENCE_WARNING)
    events = first + run(order)
    for kind in (EventKind.CONVERGENCE_WARNING, EventKind.VALIDATED):
        steps = steps_of(events, kind)
        assert len(steps) == len(set(steps)), kind
