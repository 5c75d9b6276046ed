"""Packed examples do not see each other. The twins take a guard away and the same check fails."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from arena.protocol import Recipe
from arena.training import answering, attention, certificate, loss
from arena.training.certificate import PackingFault
from arena.training.data import PackedQuest, load_quest
from arena.training.hero import Hero
from tests import tiny_hero


@pytest.fixture
def quest(tmp_path: Path, hero: Hero, recipe: Recipe) -> PackedQuest:
    loaded = load_quest(tiny_hero.write_quest(tmp_path / "quest.jsonl", 60), hero.mask, recipe)
    return PackedQuest(loaded.examples, recipe, quest_sha256="ab")


def test_packed_and_alone_agree(hero: Hero, quest: PackedQuest) -> None:
    proof = certificate.certify(hero, quest)
    assert proof.examples >= 4
    assert proof.largest_difference <= 1e-5
    certificate.check(proof)


def test_without_the_layout_neighbours_see_each_other_and_the_certificate_fails(
    hero: Hero, quest: PackedQuest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: the row is one long causal sequence, as where peers packed without a block mask."""

    def one_sequence(lengths: tuple[int, ...], device: torch.device) -> attention.Layout:
        return attention.lay_out([sum(lengths)], device)

    monkeypatch.setattr(loss, "lay_out", one_sequence)
    proof = certificate.certify(hero, quest)
    with pytest.raises(PackingFault, match="packing changes the loss"):
        certificate.check(proof)


def test_positions_only_matter_inside_an_example(hero: Hero, quest: PackedQuest) -> None:
    """RoPE is relative: inside its own example a shifted position changes nothing but rounding."""
    batch = quest.batch([0])
    running = replace(batch, positions_1T=torch.arange(batch.tokens)[None])
    assert loss.mean_loss(hero, [batch]) == pytest.approx(loss.mean_loss(hero, [running]), abs=1e-4)


@pytest.mark.parametrize("lengths", [[5], [7, 7, 7], [1, 2, 40, 3, 39, 38, 9], list(range(1, 30))])
def test_the_layout_holds_every_token_once(lengths: list[int]) -> None:
    layout = attention.lay_out(lengths, torch.device("cpu"))
    tokens = torch.cat([bucket.tokens_T for bucket in layout.buckets])
    assert sorted(tokens.tolist()) == list(range(sum(lengths)))
    for bucket in layout.buckets:
        assert torch.equal(bucket.gather_NL.flatten()[bucket.back_T], bucket.tokens_T)


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


def test_poison_in_one_example_leaves_its_neighbours_gradient_alone(hero: Hero, quest: PackedQuest) -> None:
    batch = quest.batch([0])
    owner_1T = batch.example_of_token

    def gradient_of_second(inputs_1T: torch.Tensor) -> list[torch.Tensor]:
        only_second = torch.where(owner_1T == 1, batch.labels_1T, -100)
        hero.model.zero_grad()
        loss.token_losses(hero, replace(batch, inputs_1T=inputs_1T, labels_1T=only_second)).sum().backward()
        return [parameter.grad.clone() for parameter in hero.trainable.values() if parameter.grad is not None]

    clean = gradient_of_second(batch.inputs_1T)
    poison = gradient_of_second(torch.where(owner_1T == 0, 300, batch.inputs_1T))
    assert len(clean) == len(hero.trainable)
    assert all(torch.equal(a, b) for a, b in zip(clean, poison, strict=True))


def test_generation_pads_on_the_left_and_still_answers_as_alone(hero: Hero) -> None:
    """Answers in one padded batch equal those asked one by one."""
    prompts = ["1+1", "123456+7", "a much longer question than the others, to be padded against"]
    together = answering.answer(hero, prompts, max_new_tokens=8)
    assert together == [answering.answer(hero, [prompt], max_new_tokens=8)[0] for prompt in prompts]
    assert len(set(together)) > 1
