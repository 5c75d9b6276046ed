"""From the last hidden state to the loss: only where a label is, part by part, and as each family of models does it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    CohereConfig,
    Gemma2Config,
    GraniteConfig,
    PreTrainedConfig,
    PreTrainedModel,
)

from arena.hero import attention
from arena.hero.model import Hero
from arena.recipe import Recipe
from arena.rows.example import IGNORE, Example
from arena.training import loss
from arena.training.batch import Batch, join
from arena.training.data import PackedQuest, load_quest
from tests.support import tiny_hero

SHAPE = {
    "vocab_size": 1024, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 1, "head_dim": 16, "pad_token_id": 0,
}  # fmt: skip


@pytest.fixture
def batch(tmp_path: Path, hero: Hero, recipe: Recipe) -> Batch:
    loaded = load_quest(tiny_hero.write_quest(tmp_path / "quest.jsonl", 30), hero.mask, recipe)
    return PackedQuest(loaded.examples, recipe, quest_sha256="ab").batch([0, 1])


def test_a_batch_knows_where_its_labels_are(batch: Batch) -> None:
    assert type(batch.tokens) is type(batch.trained_tokens) is int
    assert batch.tokens == sum(batch.lengths)
    labels_T = batch.labels_1T[0]
    assert torch.equal(batch.trained_N, (labels_T != IGNORE).nonzero()[:, 0])
    assert torch.equal(batch.targets_N, labels_T[batch.trained_N])
    assert 0 < batch.trained_tokens == len(batch.trained_N) < batch.tokens


def plain_formula(hero: Hero, batch: Batch) -> torch.Tensor:
    """All hidden states, all logits at once, ignored labels; packed by the same attention."""
    layout = attention.lay_out(batch.lengths, hero.device)
    hidden_1TC = hero.causal_lm.get_decoder()(
        input_ids=batch.inputs_1T,
        position_ids=batch.positions_1T,
        use_cache=False,
        layout=layout,
        attention_mask=torch.empty((1, 1, 1, 1), dtype=torch.bool),
    ).last_hidden_state
    logits_TV = hidden_1TC[0] @ hero.causal_lm.get_output_embeddings().weight.T
    losses_T = torch.nn.functional.cross_entropy(logits_TV, batch.labels_1T[0], reduction="none", ignore_index=IGNORE)
    return losses_T[batch.labels_1T[0] != IGNORE]


@pytest.mark.parametrize("at_once", [2**27, 7 * 1024, 1])
def test_part_by_part_gives_the_value_and_gradient_of_the_plain_formula(
    hero: Hero, batch: Batch, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(loss, "LOGITS_AT_ONCE", at_once)
    parameters = list(hero.trainable.values())
    ours, plain = loss.token_losses(hero, batch), plain_formula(hero, batch)
    assert ours.dtype == torch.float32
    assert torch.allclose(ours, plain, atol=1e-5)
    gradients = torch.autograd.grad(ours.mean(), parameters), torch.autograd.grad(plain.mean(), parameters)
    for a, b in zip(*gradients, strict=True):
        assert torch.allclose(a, b, atol=1e-6)


def test_no_more_logits_than_allowed_exist_at_once(hero: Hero, batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[int] = []
    head = hero.causal_lm.get_output_embeddings()
    head.register_forward_hook(lambda module, inputs, logits: rows.append(len(logits)))
    loss.token_losses(hero, batch).sum().backward()
    assert rows == [batch.trained_tokens]
    rows.clear()
    monkeypatch.setattr(loss, "LOGITS_AT_ONCE", 7 * 1024)
    loss.token_losses(hero, batch).sum().backward()
    assert max(rows) == 7
    assert sum(rows) == 2 * batch.trained_tokens, "once forward, once again for the gradient"


def test_part_by_part_is_the_same_under_autocast(hero: Hero, batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part is computed again in the backward pass, outside of the region; it must be in the same precision there."""
    outcomes = []
    for at_once in (2**27, 7 * 1024):
        monkeypatch.setattr(loss, "LOGITS_AT_ONCE", at_once)
        with torch.autocast("cpu", torch.bfloat16):
            losses_N = loss.token_losses(hero, batch)
        outcomes.append((losses_N, torch.autograd.grad(losses_N.mean(), list(hero.trainable.values()))))
    (whole, gradients), (parts, gradients_of_parts) = outcomes
    assert whole.dtype == parts.dtype == torch.float32
    assert torch.allclose(whole, parts, atol=1e-5)
    for a, b in zip(gradients, gradients_of_parts, strict=True):
        assert (a - b).norm() <= 0.01 * a.norm()


def small(config_class: type[PreTrainedConfig], **settings: Any) -> PreTrainedModel:
    torch.manual_seed(2)
    model = AutoModelForCausalLM.from_config(config_class(**SHAPE, **settings), attn_implementation=attention.NAME)
    with torch.no_grad():
        model.get_output_embeddings().weight.mul_(20)  # far enough up for a cap to be felt
    return model.eval()


FAMILIES = {
    "gemma2": (Gemma2Config, {"attn_logit_softcapping": None, "final_logit_softcapping": 5.0}),
    "granite": (GraniteConfig, {"logits_scaling": 8.0}),
    "cohere": (CohereConfig, {"logit_scale": 0.0625}),
}


def example(seed: int) -> Example:
    ids = np.random.default_rng(seed).integers(1, 1024, size=24)
    labels = np.where(np.arange(23) < 9, IGNORE, ids[1:])
    return Example(seed, ids[:-1], labels)


@pytest.mark.parametrize("family", FAMILIES)
def test_logits_are_finished_as_the_family_does(hero: Hero, family: str) -> None:
    config_class, settings = FAMILIES[family]
    theirs = replace(hero, model=small(config_class, **settings))
    alone = join([example(1)])
    logits_1TV = theirs.causal_lm(alone.inputs_1T, use_cache=False).logits
    expected = torch.nn.functional.cross_entropy(
        logits_1TV[0], alone.labels_1T[0], reduction="none", ignore_index=IGNORE
    )
    expected = expected[alone.trained_N]
    assert torch.allclose(loss.plain_losses(theirs, alone), expected, atol=1e-5)
    assert torch.allclose(loss.token_losses(theirs, alone), expected, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_unfinished_logits_would_be_another_loss(hero: Hero, family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin, and how the certificate finds out a family that is not known here."""
    config_class, settings = FAMILIES[family]
    theirs = replace(hero, model=small(config_class, **settings))
    monkeypatch.setattr(loss, "_finishing", lambda config: lambda logits: logits)
    alone = join([example(1)])
    difference = loss.token_losses(theirs, alone).mean() - loss.plain_losses(theirs, alone).mean()
    assert abs(difference.item()) > 1e-2


def test_mean_loss_is_that_of_all_tokens_and_changes_nothing(hero: Hero, batch: Batch) -> None:
    hero.model.train()
    other = join([example(1), example(2)])
    losses = torch.cat([loss.token_losses(hero, batch), loss.token_losses(hero, other)])
    assert loss.mean_loss(hero, [batch, other]) == pytest.approx(losses.mean().item(), abs=1e-6)
    assert hero.model.training


def test_layers_computed_again_give_the_same_gradient(hero: Hero, batch: Batch) -> None:
    """Gradient checkpointing calls the attention once more in the backward pass, with the same layout."""
    hero.model.train()
    parameters = list(hero.trainable.values())
    expected = torch.autograd.grad(loss.token_losses(hero, batch).sum(), parameters)
    hero.causal_lm.activation_checkpointing_enable({"use_reentrant": False})
    again = torch.autograd.grad(loss.token_losses(hero, batch).sum(), parameters)
    assert hero.causal_lm.is_activation_checkpointing
    assert all(torch.equal(a, b) for a, b in zip(expected, again, strict=True))
