"""Cross-entropy over trained tokens only. Shapes: B rows, T slots, N trained slots, C width, V vocabulary."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from arena.training.data import IGNORE, Batch
from arena.training.hero import Hero


def token_losses(hero: Hero, batch: Batch) -> Tensor:
    """Loss of every trained token, natural log, float32, shape (N,), in row-major order.

    Logits are computed only where a label is: most slots are prompt, and the head is the largest matrix.
    """
    labels_BT = batch.labels_BT
    hidden_BTC = hero.causal_lm.get_decoder()(
        input_ids=batch.inputs_BT,
        position_ids=batch.positions_BT,
        # Given explicitly: what transformers makes of packed positions depends on cache and mask arguments.
        attention_mask=attention_mask(batch.documents_BT),
        use_cache=False,
    ).last_hidden_state
    trained_BT = labels_BT != IGNORE
    logits_NV = hero.causal_lm.get_output_embeddings()(hidden_BTC[trained_BT])
    return F.cross_entropy(logits_NV.float(), labels_BT[trained_BT], reduction="none")


def attention_mask(documents_BT: Tensor) -> Tensor:
    """True where a slot may look: earlier slots of its own example. bool, shape (B, 1, T, T)."""
    same_BTT = documents_BT[:, :, None] == documents_BT[:, None, :]
    return same_BTT.tril().unsqueeze(1)


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
