"""Packed examples do not see each other. The twins take a guard away and the same check fails."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    Qwen3MoeConfig,
    Qwen3MoeForCausalLM,
)

from arena.hero import answering, attention
from arena.hero.model import Hero, UnloadableHero, load
from arena.recipe import Recipe
from arena.rows.example import IGNORE, Example
from arena.training import loss, packing_certificate
from arena.training.batch import Batch, join
from arena.training.data import PackedQuest, load_quest
from arena.training.packing_certificate import PackingFault
from tests.support import tiny_hero
from tests.support.runs import run
from watchtower.telling import hint


@pytest.fixture
def quest(tmp_path: Path, hero: Hero, recipe: Recipe) -> PackedQuest:
    loaded = load_quest(tiny_hero.write_quest(tmp_path / "quest.jsonl", 60), hero.mask, recipe)
    return PackedQuest(loaded.examples, recipe, quest_sha256="ab")


def one_sequence(lengths: tuple[int, ...], device: torch.device) -> attention.Layout:
    return attention.lay_out([sum(lengths)], device)


def test_packed_and_alone_agree(hero: Hero, quest: PackedQuest) -> None:
    proof = packing_certificate.certify(hero, quest)
    assert proof.examples >= 4
    assert proof.largest_difference <= 1e-5
    assert proof.largest_gradient_difference <= 1e-5
    assert (proof.largest_leak, proof.leak_tolerance) == (0.0, 0.0)
    packing_certificate.check(proof)


def test_the_line_that_begins_a_battle_shows_it(tmp_path: Path) -> None:
    begun = run(tiny_hero.make_order(tmp_path))[0]
    certificate_data = begun.data["certificate"]
    assert "packing proven" in begun.message
    figures = hint(begun.kind, begun.data)
    assert (
        f"within {certificate_data['largest_difference']:.1e}; leak {certificate_data['largest_leak']:.1e}" in figures
    )


def test_without_the_layout_neighbours_see_each_other_and_the_certificate_fails(
    hero: Hero, quest: PackedQuest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: the row is one long causal sequence, as where peers packed without a block mask."""
    monkeypatch.setattr(loss, "lay_out", one_sequence)
    proof = packing_certificate.certify(hero, quest)
    with pytest.raises(PackingFault, match=r"packing changes the loss.*packing changes the gradient.*leaks into"):
        packing_certificate.check(proof)


class LeakingBackwards(torch.autograd.Function):
    """Right going forward; the gradient takes some of what lies half a row away."""

    @staticmethod
    def forward(ctx: Any, states: torch.Tensor) -> torch.Tensor:
        return states.clone()

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return gradient + 0.01 * gradient.roll(len(gradient) // 2, dims=0)


def test_a_leak_in_the_backward_pass_alone_is_seen_by_the_gradient(
    hero: Hero, quest: PackedQuest, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = attention._attend_buckets
    monkeypatch.setattr(attention, "_attend_buckets", lambda *states: LeakingBackwards.apply(right(*states)))
    proof = packing_certificate.certify(hero, quest)
    assert proof.largest_difference <= proof.tolerance
    assert proof.largest_leak == 0
    with pytest.raises(PackingFault, match="packing changes the gradient"):
        packing_certificate.check(proof)


def test_a_leak_in_the_battles_precision_alone_is_seen_by_the_poison(
    hero: Hero, quest: PackedQuest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loss and gradient are compared in float32, where all is well."""
    right = attention._attend_buckets

    def leaking_in_bfloat16(*states: Any) -> torch.Tensor:
        attended = right(*states)
        return attended + 0.1 * attended.roll(40, dims=0) if attended.dtype == torch.bfloat16 else attended

    half = replace(hero, compute_dtype=torch.bfloat16)
    packing_certificate.check(packing_certificate.certify(half, quest))
    monkeypatch.setattr(attention, "_attend_buckets", leaking_in_bfloat16)
    packing_certificate.check(packing_certificate.certify(hero, quest))
    proof = packing_certificate.certify(half, quest)
    assert max(proof.largest_difference, proof.largest_gradient_difference) <= proof.tolerance
    with pytest.raises(PackingFault, match="leaks into"):
        packing_certificate.check(proof)


def test_running_positions_are_seen_where_a_model_learns_them(
    hero: Hero, quest: PackedQuest, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = GPT2Config(vocab_size=1024, n_positions=512, n_embd=32, n_layer=2, n_head=2)
    model = GPT2LMHeadModel(config).eval()
    model.set_attn_implementation(attention.NAME)
    absolute = replace(hero, model=model)
    packing_certificate.check(packing_certificate.certify(absolute, quest))

    def running(examples: list[Example]) -> Batch:
        batch = join(examples)
        return replace(batch, positions_1T=torch.arange(batch.tokens)[None])

    monkeypatch.setattr(packing_certificate, "join", running)
    proof = packing_certificate.certify(absolute, quest)
    with pytest.raises(PackingFault, match="packing changes the loss"):
        packing_certificate.check(proof)


@pytest.mark.parametrize("mode", ["full", "lora"])
@pytest.mark.parametrize("gradient_checkpointing", [False, True])
def test_certifying_leaves_no_trace(
    tiny_base: Path, quest: PackedQuest, mode: str, gradient_checkpointing: bool
) -> None:
    recipe = replace(
        tiny_hero.RECIPE, mode=mode, gradient_checkpointing=gradient_checkpointing, lora_rank=4, lora_dropout=0.5
    )
    trained = load(str(tiny_base), recipe, checkpoint=None, device=torch.device("cpu"))
    trained.model.train()
    random_state = torch.get_rng_state()
    packing_certificate.check(packing_certificate.certify(trained, quest))
    assert all(parameter.grad is None for parameter in trained.model.parameters())
    assert trained.model.training
    assert torch.equal(torch.get_rng_state(), random_state)


def test_a_frozen_base_in_bfloat16_is_held_to_what_bfloat16_can_keep(tiny_base: Path, quest: PackedQuest) -> None:
    recipe = replace(tiny_hero.RECIPE, mode="lora", lora_rank=4)
    trained = load(str(tiny_base), recipe, checkpoint=None, device=torch.device("cpu"))
    for parameter in trained.model.parameters():
        if not parameter.requires_grad:
            parameter.data = parameter.data.bfloat16()
    proof = packing_certificate.certify(replace(trained, compute_dtype=torch.bfloat16), quest)
    assert proof.tolerance == packing_certificate.ROUNDED_TOLERANCE
    assert proof.leak_tolerance == 0
    packing_certificate.check(proof)


def test_experts_sum_in_another_order_and_a_leak_is_still_seen(
    hero: Hero, quest: PackedQuest, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    config = Qwen3MoeConfig(
        vocab_size=1024, hidden_size=32, moe_intermediate_size=16, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=16, num_experts=4, num_experts_per_tok=2, initializer_range=0.1,
    )  # fmt: skip
    model = Qwen3MoeForCausalLM(config).eval()
    model.set_attn_implementation(attention.NAME)
    experts = replace(hero, model=model)
    proof = packing_certificate.certify(experts, quest)
    assert proof.leak_tolerance == 1e-5
    packing_certificate.check(proof)
    monkeypatch.setattr(loss, "lay_out", one_sequence)
    assert packing_certificate.certify(experts, quest).largest_leak > 1e-3


def test_a_hero_that_knows_every_answer_still_passes(hero: Hero, quest: PackedQuest) -> None:
    """Its own gradient is nearly nothing; the one that is compared is not."""
    optimizer = torch.optim.AdamW(hero.trainable.values(), lr=0.01)
    batch = quest.batch([0])
    for _ in range(150):
        loss.token_losses(hero, batch).mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    assert loss.mean_loss(hero, [batch]) < 0.01
    packing_certificate.check(packing_certificate.certify(hero, quest))


def test_nan_does_not_pass() -> None:
    sound = packing_certificate.Certificate(
        examples=4, largest_difference=0, largest_gradient_difference=0, largest_leak=0, tolerance=1, leak_tolerance=0
    )
    assert sound.holds
    for name in ("largest_difference", "largest_gradient_difference", "largest_leak"):
        assert not replace(sound, **{name: math.nan}).holds


def test_attention_scores_that_are_capped_are_refused(hero: Hero, quest: PackedQuest) -> None:
    capped = replace(hero, model=Gemma2ForCausalLM(Gemma2Config(vocab_size=1024, hidden_size=16, num_hidden_layers=1)))
    with pytest.raises(UnloadableHero, match="Gemma2ForCausalLM changes attention scores in a way of its own"):
        packing_certificate.certify(capped, quest)


def test_positions_only_matter_inside_an_example(hero: Hero, quest: PackedQuest) -> None:
    """RoPE is relative: inside its own example a shifted position changes nothing but rounding."""
    batch = quest.batch([0])
    running = replace(batch, positions_1T=torch.arange(batch.tokens)[None])
    assert loss.mean_loss(hero, [batch]) == pytest.approx(loss.mean_loss(hero, [running]), abs=1e-4)


@pytest.mark.parametrize("lengths", [[5], [7, 7, 7], [1, 2, 40, 3, 39, 38, 9], list(range(1, 30))])
def test_the_layout_holds_every_token_once(lengths: list[int]) -> None:
    buckets = attention.lay_out(lengths, torch.device("cpu")).buckets
    assert torch.equal(buckets.gather_M[buckets.slot_T], torch.arange(sum(lengths)))
    assert len(set(buckets.slot_T.tolist())) == sum(lengths)
    assert sum(examples * length for examples, length in buckets.shapes) == len(buckets.gather_M)


@pytest.mark.parametrize("lengths", [[5], [7, 7, 7], [1, 2, 40, 3, 39, 38, 9], list(range(1, 30))])
def test_gradients_through_the_slots_are_those_of_autograd(lengths: list[int]) -> None:
    """Beside the same gathering left to autograd, which adds up over repeats that are all zero."""
    torch.manual_seed(0)
    layout = attention.lay_out(lengths, torch.device("cpu"))
    module = torch.nn.Module()
    states = [torch.randn(1, 2, sum(lengths), 4, requires_grad=True) for _ in range(3)]
    wanted = torch.randn(sum(lengths), 2, 4)

    def gradients() -> list[torch.Tensor]:
        attended_THD = attention._attend_buckets(module, layout, *states, {})
        return list(torch.autograd.grad(attended_THD, states, wanted))

    mine = gradients()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attention._ToSlots, "apply", lambda states_T, gather_M, slot_T: states_T[gather_M])
        patch.setattr(attention._FromSlots, "apply", lambda states_M, slot_T: states_M[slot_T])
        theirs = gradients()
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(a, b)


def test_agrees_with_a_block_mask(hero: Hero, quest: PackedQuest) -> None:
    """The same losses by plain SDPA over the whole row with a mask that keeps examples apart."""
    batch = quest.batch([0, 1])
    owner_T = batch.example_of_token[0]
    mask_TT = (owner_T[:, None] == owner_T[None]).tril()
    by_mask = loss._losses(hero, batch, attention_mask=mask_TT[None, None])
    assert torch.allclose(loss.token_losses(hero, batch), by_mask, atol=1e-5)


def test_a_sliding_window_is_kept_inside_long_examples(hero: Hero, quest: PackedQuest) -> None:
    lengths = [12, 11]
    states = [torch.randn(1, 2, 23, 8) for _ in range(3)]
    module = torch.nn.Module()
    layout = attention.lay_out(lengths, torch.device("cpu"))
    attended, _ = attention.attend(module, *states, None, layout=layout, sliding_window=4, scaling=1.0)
    owner_T = torch.repeat_interleave(torch.tensor(lengths))
    near_TT = torch.ones(23, 23, dtype=torch.bool).tril() & ~torch.ones(23, 23, dtype=torch.bool).tril(-4)
    mask_TT = near_TT & (owner_T[:, None] == owner_T[None])
    expected = torch.nn.functional.scaled_dot_product_attention(*states, attn_mask=mask_TT, scale=1.0)
    assert torch.allclose(attended, expected.transpose(1, 2), atol=1e-5)


def gradient_of_odd_ones(hero: Hero, examples: list[Example]) -> list[torch.Tensor]:
    """From a batch that holds them all."""
    quiet = [
        example if number % 2 else replace(example, labels=np.full_like(example.labels, IGNORE))
        for number, example in enumerate(examples)
    ]
    total = loss.token_losses(hero, join(quiet)).sum()
    return list(torch.autograd.grad(total, list(hero.trainable.values())))


def poisoned_neighbours_change_nothing(hero: Hero, quest: PackedQuest) -> bool:
    examples = [quest.examples[index] for index in quest.rows[0]]
    poisoned = [
        example if number % 2 else replace(example, inputs=np.full_like(example.inputs, 300))
        for number, example in enumerate(examples)
    ]
    before, after = gradient_of_odd_ones(hero, examples), gradient_of_odd_ones(hero, poisoned)
    assert len(before) == len(hero.trainable)
    assert any(gradient.abs().max() > 0 for gradient in before)
    return all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_poison_in_one_example_leaves_its_neighbours_gradient_alone(hero: Hero, quest: PackedQuest) -> None:
    assert poisoned_neighbours_change_nothing(hero, quest)


def test_without_the_layout_poison_reaches_the_neighbours_gradient(
    hero: Hero, quest: PackedQuest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loss, "lay_out", one_sequence)
    assert not poisoned_neighbours_change_nothing(hero, quest)


def test_generation_pads_on_the_left_and_still_answers_as_alone(hero: Hero) -> None:
    """Answers in one padded batch equal those asked one by one."""
    prompts = ["1+1", "123456+7", "a much longer question than the others, to be padded against"]
    together = answering.answer(hero, prompts, max_new_tokens=8)
    assert together == [answering.answer(hero, [prompt], max_new_tokens=8)[0] for prompt in prompts]
    assert len(set(together)) > 1
