"""Attention inside each packed example and nowhere else, without a mask and without padding the rest of the network.

A micro-batch is one row of T tokens, its examples one behind the other. In half precision on a GPU they are attended to
as they lie, by torch's variable-length attention. Elsewhere they are laid side by side, only for attention, in buckets
of similar length, and computed causally by torch's own kernels. A block mask over packed rows gives the same numbers
and computes what it masks.

Shapes: T tokens, N examples of a bucket, L its longest, H heads, D head width.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention.varlen import varlen_attn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from arena.hero.device import sent_to

NAME = "examples"
BUCKET_SPREAD = 0.8
"""The shortest example of a bucket has at least this share of its longest one's tokens."""


@dataclass(frozen=True, slots=True)
class Buckets:
    """All buckets one behind the other: M slots, more than tokens where a bucket's examples differ in length.

    `shapes` are (N, L) of each. `gather_M` says which token lies in a slot (short examples end in repeats of their last
    token, which causal attention never looks back from), `slot_T` in which slot a token lies.
    """

    shapes: tuple[tuple[int, int], ...]
    gather_M: Tensor
    slot_T: Tensor


@dataclass(frozen=True)
class Layout:
    """Where the examples of a row lie. Computed on the host, for the kind of attention that asks, once per row."""

    lengths: tuple[int, ...]
    device: torch.device

    @functools.cached_property
    def buckets(self) -> Buckets:
        starts = [0, *itertools.accumulate(self.lengths)]
        order = sorted(range(len(self.lengths)), key=lambda index: -self.lengths[index])
        groups: list[list[int]] = []
        for index in order:
            if groups and self.lengths[index] >= BUCKET_SPREAD * self.lengths[groups[-1][0]]:
                groups[-1].append(index)
            else:
                groups.append([index])
        parts = [_bucket([(starts[i], self.lengths[i]) for i in group]) for group in groups]
        gather_M = torch.cat([gather_NL.flatten() for gather_NL, _ in parts])
        inside_M = torch.cat([inside_NL.flatten() for _, inside_NL in parts])
        slot_T = torch.empty(starts[-1], dtype=torch.int64)
        slot_T[gather_M[inside_M]] = inside_M.nonzero()[:, 0]
        shapes = tuple((gather_NL.shape[0], gather_NL.shape[1]) for gather_NL, _ in parts)
        return Buckets(shapes, sent_to(gather_M, self.device), sent_to(slot_T, self.device))

    @functools.cached_property
    def bounds(self) -> Tensor:
        """Where each example begins and the last one ends, int32.

        Filled up with empty examples to a power of two, so that few shapes occur from step to step.
        """
        ends = [0, *itertools.accumulate(self.lengths)]
        ends += ends[-1:] * ((1 << (len(ends) - 1).bit_length()) - len(ends))
        return sent_to(torch.tensor(ends, dtype=torch.int32), self.device)


def lay_out(lengths: Sequence[int], device: torch.device) -> Layout:
    """The layout of examples of `lengths` tokens lying one behind the other."""
    return Layout(tuple(lengths), device)


def _bucket(examples: Sequence[tuple[int, int]]) -> tuple[Tensor, Tensor]:
    """From (start, length), the longest first: the token in each slot, and whether it is no repeat; both (N, L)."""
    starts_N1, lengths_N1 = (torch.tensor(column)[:, None] for column in zip(*examples, strict=True))
    slots_1L = torch.arange(examples[0][1])[None]
    return starts_N1 + torch.minimum(slots_1L, lengths_N1 - 1), slots_1L < lengths_N1


def attend(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **kwargs: Any
) -> tuple[Tensor, None]:
    """transformers' attention interface: (1, H, T, D) in, (1, T, H, D) out. Without a layout it is plain SDPA."""
    layout: Layout | None = kwargs.pop("layout", None)
    if layout is None:
        attended, _ = sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)
        return attended, None
    query, key, value = _of_one_dtype(query, key, value)
    if _fits_varlen(query, value, kwargs):
        return _attend_varlen(layout, query, key, value, kwargs)[None], None
    return _attend_buckets(module, layout, query, key, value, kwargs)[None], None


def _of_one_dtype(query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Norms and rotations with float32 weights leave queries and keys in float32 under autocast."""
    device = value.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else value.dtype
    return query.to(dtype), key.to(dtype), value.to(dtype)


def _fits_varlen(query: Tensor, value: Tensor, kwargs: dict[str, Any]) -> bool:
    """Whether `_attend_varlen` computes all that is asked for, and this device can."""
    if kwargs.get("dropout") or kwargs.get("softcap") is not None or kwargs.get("position_bias") is not None:
        return False
    return query.shape[-1] == value.shape[-1] and runs_varlen(query.device, query.dtype, query.shape[-1])


@functools.cache
def runs_varlen(device: torch.device, dtype: torch.dtype, width: int) -> bool:
    """Whether torch has variable-length attention, forward and backward, for these; found out by trying."""
    if device.type != "cuda" or dtype not in (torch.float16, torch.bfloat16):
        return False
    try:
        with torch.enable_grad(), torch.autocast(device.type, enabled=False):
            states_THD = torch.zeros(1, 1, width, device=device, dtype=dtype, requires_grad=True)
            bounds = torch.arange(2, device=device, dtype=torch.int32)
            attended_THD = _varlen(states_THD, states_THD, states_THD, bounds, longest=1, scale=None, window=None)
            torch.autograd.grad(attended_THD.sum(), states_THD)
    except RuntimeError:
        return False
    return True


def _attend_varlen(layout: Layout, query: Tensor, key: Tensor, value: Tensor, kwargs: dict[str, Any]) -> Tensor:
    """(T, H, D)."""
    query_THD, key_THD, value_THD = (states[0].transpose(0, 1) for states in (query, key, value))
    return _varlen(
        query_THD,
        key_THD,
        value_THD,
        layout.bounds,
        longest=max(layout.lengths),
        scale=kwargs.get("scaling"),
        window=kwargs.get("sliding_window"),
    )


def _varlen(
    query_THD: Tensor,
    key_THD: Tensor,
    value_THD: Tensor,
    bounds: Tensor,
    *,
    longest: int,
    scale: float | None,
    window: int | None,
) -> Tensor:
    """(T, H, D). `window` counts the present token, as transformers does; torch counts those behind it."""
    attended_THD = varlen_attn(
        query_THD,
        key_THD,
        value_THD,
        bounds,
        bounds,
        longest,
        longest,
        scale=scale,
        window_size=(-1 if window is None else window - 1, 0),
        enable_gqa=query_THD.shape[1] != key_THD.shape[1],
    )
    assert isinstance(attended_THD, Tensor)
    return attended_THD


def _attend_buckets(
    module: nn.Module, layout: Layout, query: Tensor, key: Tensor, value: Tensor, kwargs: dict[str, Any]
) -> Tensor:
    """(T, H, D)."""
    buckets = layout.buckets
    query_MHD, key_MHD, value_MHD = (
        _ToSlots.apply(states[0].transpose(0, 1), buckets.gather_M, buckets.slot_T) for states in (query, key, value)
    )
    attended, start = [], 0
    for examples, length in buckets.shapes:
        part = slice(start, start + examples * length)
        query_NHLD, key_NHLD, value_NHLD = (
            states_MHD[part].unflatten(0, (examples, length)).transpose(1, 2)
            for states_MHD in (query_MHD, key_MHD, value_MHD)
        )
        mask = _window_mask(length, kwargs.get("sliding_window"), query.device)
        attended_NLHD, _ = sdpa_attention_forward(module, query_NHLD, key_NHLD, value_NHLD, mask, **kwargs)
        attended.append(attended_NLHD.flatten(0, 1))
        start = part.stop
    attended_THD: Tensor = _FromSlots.apply(torch.cat(attended), buckets.slot_T)
    return attended_THD


class _ToSlots(torch.autograd.Function):
    """Tokens to slots, (T, …) to (M, …). The gradient of a repeat is zero, for nothing that is kept looks at it:

    so a token's gradient is that of its one slot, and nothing need be added up.
    """

    @staticmethod
    def forward(ctx: Any, states_T: Tensor, gather_M: Tensor, slot_T: Tensor) -> Tensor:
        ctx.save_for_backward(slot_T)
        return states_T.index_select(0, gather_M)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (slot_T,) = ctx.saved_tensors
        return gradients[0].index_select(0, slot_T), None, None


class _FromSlots(torch.autograd.Function):
    """Slots to tokens, (M, …) to (T, …); repeats are dropped."""

    @staticmethod
    def forward(ctx: Any, states_M: Tensor, slot_T: Tensor) -> Tensor:
        ctx.save_for_backward(slot_T)
        ctx.slots = len(states_M)
        return states_M.index_select(0, slot_T)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (slot_T,) = ctx.saved_tensors
        (gradient_T,) = gradients
        return gradient_T.new_zeros(ctx.slots, *gradient_T.shape[1:]).index_copy_(0, slot_T, gradient_T), None


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
