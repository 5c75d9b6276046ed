"""What a step must compute, by the formula of the goals, and what the machine's matrix product gives."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch


@dataclass(frozen=True)
class Cost:
    """FLOPs of a model: of its linear layers and head a token, of its attention a token and token of context.

    Padding, masked rows of the head and recomputation do not count.
    """

    body: int
    """Parameters of the linear layers."""
    head: int
    attention: int
    """FLOPs of one training step, a token and (ℓ + 1)."""
    linears: tuple[tuple[int, int], ...]
    """Inputs and outputs of each linear layer of one block."""

    @classmethod
    def of(cls, config: dict[str, Any]) -> Cost:
        width, inner, head = config["hidden_size"], config["intermediate_size"], config["head_dim"]
        queries, keys = config["num_attention_heads"] * head, config["num_key_value_heads"] * head
        layers = config["num_hidden_layers"]
        linears = (
            (width, queries), (width, keys), (width, keys), (queries, width),
            (width, inner), (width, inner), (inner, width),
        )  # fmt: skip
        return cls(
            body=layers * sum(inputs * outputs for inputs, outputs in linears),
            head=config["vocab_size"] * width,
            attention=6 * layers * queries,
            linears=linears,
        )

    def per_token(self, context: float, trained_share: float, *, adapter: bool = False) -> float:
        """`context` is ℓ = Σlen² / Σlen. Frozen weights under an adapter have no gradient of their own."""
        each = 4 if adapter else 6
        return each * self.body + self.attention * (context + 1) + each * self.head * trained_share


def context(lengths: npt.NDArray[Any]) -> float:
    """ℓ: the length of the example that a token stands in, on average."""
    tokens = lengths.astype(np.float64)
    return float((tokens**2).sum() / tokens.sum())


def square_rate(size: int, dtype: torch.dtype, device: str, *, seconds: float = 1.0) -> float:
    """FLOP/s of a large square matrix product."""
    return _rate([(size, size, size)], dtype, device, seconds)


def shaped_rate(cost: Cost, tokens: int, dtype: torch.dtype, device: str, *, seconds: float = 1.0) -> float:
    """FLOP/s of the products of one block, forward and both of the backward pass, for a step of `tokens`."""
    shapes = [
        shape
        for inputs, outputs in cost.linears
        for shape in ((tokens, inputs, outputs), (tokens, outputs, inputs), (outputs, tokens, inputs))
    ]
    return _rate(shapes, dtype, device, seconds)


def _rate(shapes: list[tuple[int, int, int]], dtype: torch.dtype, device: str, seconds: float) -> float:
    pairs = [
        (torch.randn(rows, inner, device=device, dtype=dtype), torch.randn(inner, columns, device=device, dtype=dtype))
        for rows, inner, columns in shapes
    ]
    flops = sum(2 * rows * inner * columns for rows, inner, columns in shapes)
    rates = []
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline or len(rates) < 5:
        rates.append(flops / _seconds(pairs, device))
    return float(np.median(rates))


def _seconds(pairs: list[tuple[torch.Tensor, torch.Tensor]], device: str) -> float:
    _wait(device)
    started = time.perf_counter()
    for a, b in pairs:
        torch.mm(a, b)
    _wait(device)
    return time.perf_counter() - started


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()
