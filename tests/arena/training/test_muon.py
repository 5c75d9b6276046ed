"""Muon's step against torch's own, the flag that holds it back, and which weights it trains."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from arena import estimate
from arena.estimate import read_shape
from arena.hero.model import Hero, UnloadableHero
from arena.recipe import Recipe
from arena.training import muon, optimizer
from arena.training.ranks import Ranks
from arena.training.start import load_trainee
from tests.support import tiny_hero

SHAPES = ((8, 16), (16, 8), (8, 8), (16, 8), (8, 16))
SETTINGS = {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.1}


def matrices() -> list[nn.Parameter]:
    source = torch.Generator().manual_seed(3)
    return [nn.Parameter(torch.randn(shape, generator=source)) for shape in SHAPES]


def give_gradients(parameters: list[nn.Parameter], seed: int, *, bad: float | None = None) -> None:
    source = torch.Generator().manual_seed(seed)
    for parameter in parameters:
        parameter.grad = torch.randn(parameter.shape, generator=source)
        if bad is not None:
            parameter.grad[0, 0] = bad


def ours(parameters: list[nn.Parameter]) -> muon.Muon:
    built = muon.Muon(parameters, [], ratio=1.0, betas=(0.9, 0.95), **SETTINGS)
    for parameter in parameters:
        built.state[parameter] = {"momentum_buffer": torch.zeros_like(parameter)}
    return built


@pytest.mark.parametrize("at_once", [muon.AT_ONCE, 128], ids=["together", "one by one"])
def test_a_step_is_that_of_torchs_own(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    monkeypatch.setattr(muon, "AT_ONCE", at_once)
    mine, theirs = matrices(), matrices()
    one, other = (
        ours(mine),
        torch.optim.Muon(theirs, adjust_lr_fn="match_rms_adamw", **SETTINGS),
    )
    for seed in range(3):
        for parameters, stepping in ((mine, one), (theirs, other)):
            give_gradients(parameters, seed)
            stepping.step()
    # torch iterates in bfloat16 everywhere, whose steps are 1/256: updates are of 0.04.
    assert all(torch.allclose(a, b, atol=5e-3) for a, b in zip(mine, theirs, strict=True))
    assert not torch.allclose(mine[0], matrices()[0], atol=2e-2)


def held_back(parameters: list[nn.Parameter], *, guarded: bool) -> bool:
    """Whether a step whose gradients are not finite leaves weights and momentum as they were, bit for bit."""
    stepping = ours(parameters)
    give_gradients(parameters, 0)
    stepping.step()
    before = [tensor.clone() for p in parameters for tensor in (p.detach(), stepping.state[p]["momentum_buffer"])]
    give_gradients(parameters, 1, bad=float("nan"))
    if guarded:
        optimizer.step_if(stepping, torch.tensor(False))
    else:
        stepping.step()
    after = [tensor for p in parameters for tensor in (p.detach(), stepping.state[p]["momentum_buffer"])]
    return all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_the_flag_holds_the_whole_step_back() -> None:
    assert held_back(matrices(), guarded=True)


def test_without_the_flag_the_weights_are_gone() -> None:
    """The twin."""
    assert not held_back(matrices(), guarded=False)


def test_it_trains_the_matrices_between_embeddings_and_head(hero: Hero, recipe: Recipe) -> None:
    built = optimizer.build(hero, replace(recipe, optimizer="muon"))
    names = {parameter: name for name, parameter in hero.trainable.items()}
    first, *rest = ({names[parameter] for parameter in group["params"]} for group in built.param_groups)
    assert first == {name for name in names.values() if "_proj" in name}
    assert set().union(*rest) == set(names.values()) - first
    assert "model.embed_tokens.weight" in set().union(*rest)
    optimizer.set_learning_rate(built, 0.5)
    assert [group["lr"] for group in built.param_groups] == [1.0, 0.5, 0.5]


@pytest.mark.parametrize("mode", ["full", "lora"])
def test_the_estimate_knows_its_single_moment(tmp_path: Path, recipe: Recipe, mode: str) -> None:
    order = tiny_hero.make_order(tmp_path, recipe=replace(recipe, optimizer="muon", mode=mode))
    built = load_trainee(order, None, None, Ranks()).optimizer
    moments = [value for state in built.state.values() for value in state.values() if value.ndim]
    shape = read_shape(Path(order.base_model))
    assert estimate.moment_bytes(shape, order.recipe) == sum(moment.nbytes for moment in moments)
    assert estimate.moment_bytes(shape, replace(order.recipe, optimizer="adamw")) > sum(map(_nbytes, moments))


def _nbytes(tensor: torch.Tensor) -> int:
    return tensor.nbytes


def test_fsdp_is_refused_in_words(tmp_path: Path, recipe: Recipe) -> None:
    order = tiny_hero.make_order(tmp_path, recipe=replace(recipe, optimizer="muon"))
    with pytest.raises(UnloadableHero, match="muon and weight_average work on whole matrices"):
        load_trainee(order, None, None, Ranks(index=0, count=2, sharded=True))
