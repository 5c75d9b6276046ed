"""Cross-entropy over trained tokens only. Shapes: T tokens, N trained tokens, C width, V vocabulary."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from arena.hero.attention import lay_out
from arena.hero.model import Hero, dropout_off
from arena.training.batch import Batch

LOGITS_AT_ONCE = 2**27
"""More logits than these (half a GiB in float32) are computed part by part, and again in the backward pass."""


def token_losses(hero: Hero, batch: Batch) -> Tensor:
    """Loss of every trained token, natural log, float32, shape (N,), in order.

    Logits are computed only where a label is: most tokens are prompt, and the head is the largest matrix. Where several
    processes train together, it goes through the module that brings their work together: all of them must call it.
    """
    losses_N: Tensor = hero.together(batch) if hero.together else own_losses(hero, batch)
    return losses_N


def own_losses(hero: Hero, batch: Batch) -> Tensor:
    """`token_losses` of this process alone."""
    layout = lay_out(batch.lengths, hero.device)
    return _losses(hero, batch, layout=layout, attention_mask=_mask_already_made(hero.device))


def plain_losses(hero: Hero, batch: Batch) -> Tensor:
    """The same for a single example by the model's own forward pass and its ordinary causal attention.

    What packing, and our way from the last hidden state to the loss, are measured against.
    """
    if len(batch.lengths) != 1:
        raise ValueError("ordinary attention would mix the examples of a packed batch")
    logits_1NV = hero.causal_lm(
        input_ids=batch.inputs_1T,
        position_ids=batch.positions_1T,
        use_cache=False,
        logits_to_keep=batch.trained_N,
    ).logits
    return F.cross_entropy(logits_1NV[0].float(), batch.targets_N, reduction="none")


def _losses(hero: Hero, batch: Batch, **attention: Any) -> Tensor:
    hidden_1TC = hero.causal_lm.get_decoder()(
        input_ids=batch.inputs_1T, position_ids=batch.positions_1T, use_cache=False, **attention
    ).last_hidden_state
    return _head_losses(hero, hidden_1TC[0].index_select(0, batch.trained_N), batch.targets_N)


def _head_losses(hero: Hero, hidden_NC: Tensor, targets_N: Tensor) -> Tensor:
    """Losses from the last hidden states, never with more than LOGITS_AT_ONCE logits in memory.

    `F.linear_cross_entropy` is not used: it rounds a token's loss to the precision of its inputs, takes no part in
    autocast and knows nothing of what a model does to its logits.
    """
    head, finish = hero.causal_lm.get_output_embeddings(), _finishing(hero.causal_lm.config.get_text_config())

    def losses(hidden_NC: Tensor, targets_N: Tensor) -> Tensor:
        return F.cross_entropy(finish(head(hidden_NC)).float(), targets_N, reduction="none")

    at_once = max(1, LOGITS_AT_ONCE // hero.causal_lm.config.get_text_config().vocab_size)
    if len(targets_N) <= at_once:
        return losses(hidden_NC, targets_N)
    parts = zip(hidden_NC.split(at_once), targets_N.split(at_once), strict=True)
    return torch.cat([checkpoint(losses, *part, use_reentrant=False, preserve_rng_state=False) for part in parts])


def _finishing(config: Any) -> Callable[[Tensor], Tensor]:
    """What this family of models does to the logits of its head.

    A family that does something else is found out by the certificate, whose reference is the model's own forward pass.
    """
    cap, scale = getattr(config, "final_logit_softcapping", None), _logit_scale(config)
    if cap is not None:
        return lambda logits: torch.tanh(logits / cap) * cap
    return (lambda logits: logits * scale) if scale != 1 else (lambda logits: logits)


def _logit_scale(config: Any) -> float:
    """Cohere multiplies by `logit_scale`, HyperCLOVA X by `logits_scaling`; Granite divides by its `logits_scaling`."""
    scale = float(getattr(config, "logit_scale", None) or 1)
    scaling = float(getattr(config, "logits_scaling", None) or 1)
    return scale * (scaling if config.model_type.startswith("hyperclovax") else 1 / scaling)


def _mask_already_made(device: torch.device) -> Tensor:
    """transformers builds no mask of its own where a 4D one is given; the layout makes this one unused."""
    return torch.empty((1, 1, 1, 1), dtype=torch.bool, device=device)


@torch.no_grad()
def mean_loss(hero: Hero, batches: list[Batch]) -> float:
    """Mean loss over all trained tokens of `batches`, dropout off; changes no state and waits for the device once."""
    total = torch.zeros((), dtype=torch.float64, device=hero.device)
    with dropout_off(hero), hero.autocast():
        for batch in batches:
            total += token_losses(hero, batch.to(hero.device)).double().sum()
    return total.item() / sum(batch.trained_tokens for batch in batches)
