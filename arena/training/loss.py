"""Cross-entropy over trained tokens only. Shapes: T tokens, N trained tokens, C width, V vocabulary."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from arena.training.attention import lay_out
from arena.training.batch import IGNORE, Batch
from arena.training.hero import Hero


def token_losses(hero: Hero, batch: Batch) -> Tensor:
    """Loss of every trained token, natural log, float32, shape (N,), in order.

    Logits are computed only where a label is: most tokens are prompt, and the head is the largest matrix.
    """
    layout = lay_out(batch.lengths, hero.device)
    return _losses(hero, batch, layout=layout, attention_mask=_mask_already_made(hero.device))


def plain_losses(hero: Hero, batch: Batch) -> Tensor:
    """The same for a single example by the model's ordinary causal attention: what packing is measured against."""
    if len(batch.lengths) != 1:
        raise ValueError("ordinary attention would mix the examples of a packed batch")
    return _losses(hero, batch)


def _losses(hero: Hero, batch: Batch, **attention: Any) -> Tensor:
    labels_1T = batch.labels_1T
    hidden_1TC = hero.causal_lm.get_decoder()(
        input_ids=batch.inputs_1T, position_ids=batch.positions_1T, use_cache=False, **attention
    ).last_hidden_state
    trained_1T = labels_1T != IGNORE
    logits_NV = hero.causal_lm.get_output_embeddings()(hidden_1TC[trained_1T])
    return F.cross_entropy(logits_NV.float(), labels_1T[trained_1T], reduction="none")


def _mask_already_made(device: torch.device) -> Tensor:
    """transformers builds no mask of its own where a 4D one is given; the layout makes this one unused."""
    return torch.empty((1, 1, 1, 1), dtype=torch.bool, device=device)


@torch.no_grad()
def mean_loss(hero: Hero, batches: list[Batch]) -> float:
    """Mean loss over all trained tokens of `batches`, dropout off; changes no state."""
    was_training = hero.model.training
    hero.model.eval()
    total, count = 0.0, 0
    for batch in batches:
        losses_N = token_losses(hero, batch.to(hero.device))
        total += losses_N.double().sum().item()
        count += len(losses_N)
    hero.model.train(was_training)
    return total / count
