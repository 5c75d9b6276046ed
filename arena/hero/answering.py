"""The hero answers held-out problems with its weights as they are: greedy, in one left-padded batch."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import torch

from arena.hero.model import Hero, dropout_off
from arena.protocol import EvaluationSet
from arena.rows.parse import Message


class UnreadableEvaluation(Exception):
    """The held-out problems cannot be read; no quest is to blame."""


def read_prompts(evaluation: EvaluationSet) -> list[str]:
    """Raises UnreadableEvaluation."""
    try:
        lines = Path(evaluation.path).read_text(encoding="utf-8").splitlines()
        prompts = [json.loads(line)["prompt"] for line in lines]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _unreadable(evaluation, f"{type(error).__name__}: {error}") from error
    if not prompts:
        raise _unreadable(evaluation, "it is empty")
    return prompts


def _unreadable(evaluation: EvaluationSet, why: str) -> UnreadableEvaluation:
    return UnreadableEvaluation(
        f"the evaluation set {evaluation.path} cannot be read ({why}): put it back and resume, or skip the quest"
    )


def answer(hero: Hero, prompts: list[str], *, max_new_tokens: int) -> list[str]:
    """One answer a prompt, without what ends it and without special tokens.

    Uses no random numbers and leaves training state alone.
    """
    end_text = hero.mask.facts.end_text
    stops: dict[str, Any] = {"stop_strings": [end_text], "tokenizer": hero.tokenizer} if end_text else {}
    asked = [prompt_ids(hero, prompt) for prompt in prompts]
    written_BT = write(hero, asked, max_new_tokens=max_new_tokens, **stops)
    ends = set(hero.stop_ids)
    spoken = [list(itertools.takewhile(lambda token: token not in ends, row)) for row in written_BT.tolist()]
    answers: list[str] = hero.tokenizer.batch_decode(spoken, skip_special_tokens=True)
    return [answer.partition(end_text)[0] for answer in answers] if end_text else answers


def prompt_ids(hero: Hero, prompt: str) -> list[int]:
    """One turn of the user's, as every held-out problem is asked."""
    return hero.mask.prompt_ids([Message("user", prompt)])


@torch.no_grad()
def write(hero: Hero, prompts: list[list[int]], *, max_new_tokens: int, **options: Any) -> torch.Tensor:
    """Token ids written after each prompt, int64, shape (B, T); what ended before the longest is padded.

    Greedy, in one left-padded batch; `options` are more of `generate`'s.
    """
    inputs_BT, mask_BT = _left_padded(prompts, hero.pad_id)
    with dropout_off(hero), hero.autocast():
        written_BT = hero.causal_lm.generate(  # type: ignore[operator]  # nn.Module hides it
            input_ids=inputs_BT.to(hero.device),
            attention_mask=mask_BT.to(hero.device),
            max_new_tokens=max_new_tokens,
            do_sample=False,
            use_cache=True,
            pad_token_id=hero.pad_id,
            eos_token_id=hero.stop_ids or None,
            **options,
        )
    behind_BT: torch.Tensor = written_BT[:, inputs_BT.shape[1] :]
    return behind_BT


def _left_padded(sequences: list[list[int]], pad_id: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and their mask, int64, shape (B, T)."""
    length = max(map(len, sequences))
    inputs = [[pad_id] * (length - len(ids)) + ids for ids in sequences]
    mask = [[0] * (length - len(ids)) + [1] * len(ids) for ids in sequences]
    return torch.tensor(inputs), torch.tensor(mask)
