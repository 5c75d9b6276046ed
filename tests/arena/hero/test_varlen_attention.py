"""Attention to examples as they lie. Its kernel needs a GPU; here a slow one of the documented meaning stands in."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from arena.hero import attention
from arena.hero.model import Hero
from arena.recipe import Recipe
from arena.training import loss
from arena.training.batch import Batch
from arena.training.data import PackedQuest, load_quest
from tests.support import tiny_hero

CPU = torch.device("cpu")


class SlowVarlen:
    """varlen_attn by its documentation and flash attention's: a token sees `window_size[0]` tokens behind itself."""

    def __init__(self) -> None:
        self.bounds: list[Tensor] = []
        self.dtypes: set[torch.dtype] = set()

    def __call__(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        bounds: Tensor,
        bounds_k: Tensor,
        longest: int,
        longest_k: int,
        *,
        scale: float | None,
        window_size: tuple[int, int],
        enable_gqa: bool,
    ) -> Tensor:
        assert bounds is bounds_k
        assert bounds.dtype == torch.int32
        assert int(bounds.diff().max()) <= longest == longest_k
        assert enable_gqa or query.shape[1] == key.shape[1]
        self.bounds.append(bounds)
        self.dtypes |= {query.dtype, key.dtype, value.dtype}
        parts = [
            self._one(*(states[start:end].transpose(0, 1) for states in (query, key, value)), scale, window_size)
            for start, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)
        ]
        return torch.cat(parts)

    @staticmethod
    def _one(query: Tensor, key: Tensor, value: Tensor, scale: float | None, window: tuple[int, int]) -> Tensor:
        groups = query.shape[0] // key.shape[0]
        key, value = key.repeat_interleave(groups, 0), value.repeat_interleave(groups, 0)
        scores_HTT = query @ key.transpose(1, 2) * (query.shape[-1] ** -0.5 if scale is None else scale)
        place_T = torch.arange(query.shape[1])
        behind_TT = place_T[:, None] - place_T[None]
        seen_TT = behind_TT >= -window[1]
        if window[0] >= 0:
            seen_TT &= behind_TT <= window[0]
        return (scores_HTT.masked_fill(~seen_TT, -torch.inf).softmax(-1) @ value).transpose(0, 1)


@pytest.fixture
def varlen(monkeypatch: pytest.MonkeyPatch) -> SlowVarlen:
    slow = SlowVarlen()
    monkeypatch.setattr(attention, "varlen_attn", slow)
    monkeypatch.setattr(attention, "runs_varlen", lambda *_: True)
    return slow


@pytest.fixture
def batch(tmp_path: Path, hero: Hero, recipe: Recipe) -> Batch:
    loaded = load_quest(tiny_hero.write_quest(tmp_path / "quest.jsonl", 30), hero.mask, recipe)
    return PackedQuest(loaded.examples, recipe, quest_sha256="ab").batch([0, 1])


def states(tokens: int, heads: int, kv_heads: int) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(1)
    shapes = [(1, heads, tokens, 8), (1, kv_heads, tokens, 8), (1, kv_heads, tokens, 8)]
    query, key, value = (torch.randn(shape, requires_grad=True) for shape in shapes)
    return query, key, value


def outcome(
    attend: Callable[..., Tensor], lengths: list[int], heads: int, kv_heads: int, **kwargs: Any
) -> list[Tensor]:
    """What comes out, and the gradients of what went in, after a weighted sum."""
    inputs = states(sum(lengths), heads, kv_heads)
    attended_THD = attend(attention.lay_out(lengths, CPU), *inputs, kwargs)
    weights_THD = torch.arange(attended_THD.numel()).reshape(attended_THD.shape) / attended_THD.numel()
    return [attended_THD, *torch.autograd.grad((attended_THD * weights_THD).sum(), inputs)]


def by_buckets(groups: int) -> Callable[..., Tensor]:
    module = torch.nn.Module()
    module.num_key_value_groups = groups
    return lambda *rest: attention._attend_buckets(module, *rest)


@pytest.mark.parametrize("lengths", [[5], [7, 7, 7], [1, 2, 40, 3, 39, 38, 9], [3] * 16])
@pytest.mark.parametrize("heads", [(2, 2), (4, 2), (6, 1)])
@pytest.mark.parametrize("extra", [{}, {"scaling": 0.7}, {"sliding_window": 4}, {"sliding_window": 1}])
def test_the_same_as_buckets(
    varlen: SlowVarlen, lengths: list[int], heads: tuple[int, int], extra: dict[str, float]
) -> None:
    expected = outcome(by_buckets(heads[0] // heads[1]), lengths, *heads, **extra)
    measured = outcome(attention._attend_varlen, lengths, *heads, **extra)
    assert len(varlen.bounds) == 1
    for a, b in zip(expected, measured, strict=True):
        assert torch.allclose(a, b, atol=1e-6)


def test_a_window_off_by_one_would_be_seen(varlen: SlowVarlen) -> None:
    expected = outcome(by_buckets(1), [9, 8], 2, 2, sliding_window=4)[0]
    off_by_one = outcome(attention._attend_varlen, [9, 8], 2, 2, sliding_window=5)[0]
    assert (expected - off_by_one).abs().max() > 1e-2


def test_a_hero_has_the_same_losses_and_gradients(hero: Hero, batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    parameters = list(hero.trainable.values())
    by_bucket = loss.token_losses(hero, batch)
    gradients = torch.autograd.grad(by_bucket.mean(), parameters)
    slow = SlowVarlen()
    monkeypatch.setattr(attention, "varlen_attn", slow)
    monkeypatch.setattr(attention, "runs_varlen", lambda *_: True)
    as_they_lie = loss.token_losses(hero, batch)
    assert torch.allclose(as_they_lie, by_bucket, atol=1e-6)
    for a, b in zip(torch.autograd.grad(as_they_lie.mean(), parameters), gradients, strict=True):
        assert torch.allclose(a, b, atol=1e-6)
    assert len(slow.bounds) == hero.causal_lm.config.num_hidden_layers
    assert all(bounds is slow.bounds[0] for bounds in slow.bounds), "computed and copied once per batch"


def test_under_autocast_all_three_have_one_dtype(varlen: SlowVarlen, hero: Hero, batch: Batch) -> None:
    """Qwen3's norms of queries and keys keep float32 weights; the kernel refuses a mixture."""
    half = replace(hero, compute_dtype=torch.bfloat16)
    with half.autocast():
        losses_N = loss.token_losses(half, batch)
    assert varlen.dtypes == {torch.bfloat16}
    assert torch.allclose(losses_N, loss.token_losses(hero, batch), atol=0.2)


@pytest.mark.parametrize("count", [1, 3, 4, 15, 16, 17])
def test_bounds_are_filled_up_with_empty_examples(count: int) -> None:
    bounds = attention.lay_out([3] * count, CPU).bounds
    assert bounds.tolist()[: count + 1] == list(range(0, 3 * count + 1, 3))
    assert set(bounds.tolist()[count + 1 :]) <= {3 * count}
    assert len(bounds).bit_count() == 1
    assert len(bounds) < 2 * (count + 1)


@pytest.mark.parametrize("kwargs", [{"dropout": 0.1}, {"softcap": 30.0}, {"position_bias": torch.zeros(1)}])
def test_what_varlen_cannot_do_is_left_to_the_buckets(varlen: SlowVarlen, kwargs: dict[str, Any]) -> None:
    query, _, value = states(4, 2, 2)
    assert attention._fits_varlen(query, value, {})
    assert not attention._fits_varlen(query, value, kwargs)
    assert not attention._fits_varlen(query, value[..., :4], {})


def test_no_cpu_and_no_float32_runs_varlen() -> None:
    assert not attention.runs_varlen(CPU, torch.bfloat16, 64)
    assert not attention.runs_varlen(torch.device("cuda", 0), torch.float32, 64)
