"""The hero as an average of the weights that train: which it is, and that training does not feel it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from arena.recipe import Recipe
from arena.training import average
from arena.training.train import optimizer_step
from tests.arena.training.test_optimizer_step import make_trainee

STEPS = 4
Weights = list[torch.Tensor]


def train_steps(folder: Path, recipe: Recipe) -> tuple[list[Weights], Weights]:
    """The hero's weights before and after each step, and those that train at the end."""
    trainee, quest = make_trainee(folder, recipe)
    parameters = list(trainee.hero.trainable.values())
    seen = [[parameter.detach().clone() for parameter in parameters]]
    for number in range(STEPS):
        optimizer_step(trainee, quest.step(0, number), recipe)
        trainee.step += 1
        seen.append([parameter.detach().clone() for parameter in parameters])
    trained = [trainee.optimizer.state[p].get(average.PART, p.detach()) for p in parameters]
    return seen, trained


def averaged(plain: list[Weights], decay: float) -> Weights:
    """By hand, of the weights of a run that does not average."""
    found = plain[0]
    for age, weights in enumerate(plain[1:]):
        share = 1 - min(decay, (1 + age) / (10 + age))
        found = [old + share * (new - old) for old, new in zip(found, weights, strict=True)]
    return found


def equal(one: Weights, other: Weights) -> bool:
    return all(torch.allclose(a, b, atol=1e-6) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_the_hero_is_the_average_and_training_is_what_it_was(tmp_path: Path, recipe: Recipe, optimizer: str) -> None:
    plain_recipe = replace(recipe, optimizer=optimizer)
    plain, _ = train_steps(tmp_path / "plain", plain_recipe)
    seen, trained = train_steps(tmp_path / "averaged", replace(plain_recipe, weight_average=0.15))
    assert all(torch.equal(a, b) for a, b in zip(trained, plain[-1], strict=True))
    assert equal(seen[-1], averaged(plain, 0.15))
    assert not equal(seen[-1], plain[-1])


def test_where_the_average_itself_trained_it_would_be_another(
    tmp_path: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin."""

    @contextmanager
    def in_place(*_: object, **__: object) -> Iterator[None]:
        yield

    plain, _ = train_steps(tmp_path / "plain", recipe)
    monkeypatch.setattr(average, "training_weights", in_place)
    seen, _ = train_steps(tmp_path / "averaged", replace(recipe, weight_average=0.15))
    assert not equal(seen[-1], averaged(plain, 0.15))


def test_a_step_that_fails_leaves_the_average(tmp_path: Path, recipe: Recipe) -> None:
    averaging = replace(recipe, weight_average=0.5)
    trainee, _ = make_trainee(tmp_path / "failing", averaging)
    parameters = list(trainee.hero.trainable.values())
    before = [parameter.detach().clone() for parameter in parameters]

    def fail() -> None:
        with average.training_weights(trainee.hero, trainee.optimizer, averaging, age=0):
            parameters[0].data += 1
            raise MemoryError

    with pytest.raises(MemoryError):
        fail()
    assert all(torch.equal(a, b) for a, b in zip(before, parameters, strict=True))
