"""Attention inside each packed example and nowhere else, without a mask and without padding the rest of the network.

A micro-batch is one row of T tokens, its examples one behind the other. Only for attention are they laid side by side,
in buckets of similar length, and computed causally by torch's own kernels. A block mask over packed rows gives the same
numbers and computes what it masks.

Shapes: T tokens, N examples of a bucket, L its longest, H heads, D head width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

NAME = "examples"
BUCKET_SPREAD = 0.8
"""The shortest example of a bucket has at least this share of its longest one's tokens."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """`gather_NL` are token positions of the row (short examples end in repeats of their last token, which causal
    attention never looks back from); `back_T` are places in the flattened bucket, in the order of `tokens_T`."""

    gather_NL: Tensor
    tokens_T: Tensor
    back_T: Tensor


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the examples of a row lie."""

    buckets: tuple[Bucket, ...]


def lay_out(lengths: Sequence[int], device: torch.device) -> Layout:
    """The layout of examples of `lengths` tokens lying one behind the other."""
    starts = [0]
    for length in lengths:
        starts.append(starts[-1] + length)
    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    groups: list[list[int]] = []
    for index in order:
        if groups and lengths[index] >= BUCKET_SPREAD * lengths[groups[-1][0]]:
            groups[-1].append(index)
        else:
            groups.append([index])
    return Layout(tuple(_bucket([(starts[i], lengths[i]) for i in group], device) for group in groups))


def _bucket(examples: Sequence[tuple[int, int]], device: torch.device) -> Bucket:
    """`examples` are (start, length), the longest first."""
    starts_N1, lengths_N1 = (torch.tensor(column)[:, None] for column in zip(*examples, strict=True))
    slots_1L = torch.arange(examples[0][1])[None]
    inside_NL = slots_1L < lengths_N1
    gather_NL = starts_N1 + torch.minimum(slots_1L, lengths_N1 - 1)
    return Bucket(gather_NL.to(device), gather_NL[inside_NL].to(device), inside_NL.flatten().nonzero()[:, 0].to(device))


def attend(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **kwargs: Any
) -> tuple[Tensor, None]:
    """transformers' attention interface: (1, H, T, D) in, (1, T, H, D) out. Without a layout it is plain SDPA."""
    layout: Layout | None = kwargs.pop("layout", None)
    if layout is None:
        attended, _ = sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)
        return attended, None
    parts = [_attend_bucket(module, bucket, query, key, value, kwargs) for bucket in layout.buckets]
    tokens_T = torch.cat([bucket.tokens_T for bucket in layout.buckets])
    joined_THD = torch.cat(parts)
    return torch.empty_like(joined_THD).index_copy(0, tokens_T, joined_THD)[None], None


def _attend_bucket(
    module: nn.Module, bucket: Bucket, query: Tensor, key: Tensor, value: Tensor, kwargs: dict[str, Any]
) -> Tensor:
    """The attended tokens of one bucket, (T of the bucket, H, D), in the order of its `tokens_T`."""
    query, key, value = (_side_by_side(states, bucket.gather_NL) for states in (query, key, value))
    mask = _window_mask(bucket.gather_NL.shape[1], kwargs.get("sliding_window"), query.device)
    attended_NLHD, _ = sdpa_attention_forward(module, query, key, value, mask, **kwargs)
    return attended_NLHD.flatten(0, 1).index_select(0, bucket.back_T)


def _side_by_side(states_1HTD: Tensor, gather_NL: Tensor) -> Tensor:
    """(N, H, L, D)."""
    rows_HMD = states_1HTD[0].index_select(1, gather_NL.flatten())
    examples, length = gather_NL.shape
    return rows_HMD.view(rows_HMD.shape[0], examples, length, rows_HMD.shape[2]).transpose(0, 1)


def _window_mask(length: int, window: int | None, device: torch.device) -> Tensor | None:
    """Models with a sliding window see only so far back; None where the window is never reached."""
    if window is None or length <= window:
        return None
    causal_LL = torch.ones(length, length, dtype=torch.bool, device=device).tril()
    return causal_LL & ~causal_LL.tril(-window)


def register() -> None:
    """Make the attention known to transformers under NAME; generation, which has no layout, gets SDPA and its masks."""
    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, sdpa_mask)
