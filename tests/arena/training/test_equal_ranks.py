"""Processes on several machines begin with the same weights, or not at all."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from arena.training import ranks
from arena.training.ranks import Ranks, Unequal, digest_of

FAR = Ranks(1, 2, torch.device("cpu"), on_one_machine=False)


def a_model(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2).requires_grad_(False), nn.Linear(2, 1).bfloat16())


class Hero:
    def __init__(self, model: nn.Module) -> None:
        self.model = model


def begins(of_main: nn.Module, own: nn.Module, monkeypatch: pytest.MonkeyPatch, here: Ranks = FAR) -> None:
    """As rank 1, which hears the digest of rank 0's model."""

    def broadcast(told: Tensor, *, src: int) -> None:
        told.copy_(torch.frombuffer(bytearray(digest_of(of_main)), dtype=torch.uint8))

    monkeypatch.setattr(ranks.distributed, "broadcast", broadcast)
    monkeypatch.setattr(ranks.distributed, "all_reduce", lambda value: None)
    ranks._check_equal(Hero(own), here)  # type: ignore[arg-type]


def test_equal_models_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    begins(a_model(), a_model(), monkeypatch)


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_one_bit_of_any_parameter_is_found(monkeypatch: pytest.MonkeyPatch, layer: int) -> None:
    other = a_model()
    weight = other[layer].weight.data  # type: ignore[index]
    weight.view(torch.uint8)[0, 0] ^= 1
    with pytest.raises(Unequal, match="the base model or the newest checkpoint differs between the machines"):
        begins(a_model(), other, monkeypatch)


def test_the_twin_on_one_machine_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    begins(a_model(), a_model(1), monkeypatch, replace(FAR, on_one_machine=True))
