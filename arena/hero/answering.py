"""The hero answers held-out problems with its weights as they are: greedy, in one left-padded batch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from transformers import StoppingCriteria, StoppingCriteriaList

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
    asked = [prompt_ids(hero, prompt) for prompt in prompts]
    written_BT = write(hero, asked, max_new_tokens=max_new_tokens, has_ended=_Ended(hero, len(asked)))
    return [_answer(hero, row) for row in written_BT.tolist()]


def _answer(hero: Hero, written: list[int]) -> str:
    length = hero.mask.ends.length(written)
    text = str(hero.tokenizer.decode(written[:length], skip_special_tokens=True))
    return hero.mask.ends.cut(text, ended=length < len(written))


def prompt_ids(hero: Hero, prompt: str) -> list[int]:
    """One turn of the user's, as every held-out problem is asked."""
    return hero.mask.prompt_ids([Message("user", prompt)])


@torch.no_grad()
def write(
    hero: Hero, prompts: list[list[int]], *, max_new_tokens: int, has_ended: StoppingCriteria, **options: Any
) -> torch.Tensor:
    """Token ids written after each prompt, int64, shape (B, T); behind the end of an answer they mean nothing.

    Greedy, in one left-padded batch, until all of it `has_ended`; `options` are more of `generate`'s.
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
            eos_token_id=None,
            stopping_criteria=StoppingCriteriaList([has_ended]),
            **options,
        )
    behind_BT: torch.Tensor = written_BT[:, inputs_BT.shape[1] :]
    return behind_BT


class _Ended(StoppingCriteria):
    """Which answers of a batch have ended."""

    def __init__(self, hero: Hero, prompts: int) -> None:
        self._hero, self._ends = hero, hero.mask.ends
        self._written: list[list[int]] = [[] for _ in range(prompts)]
        self._done = [False] * prompts

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        for place, token in enumerate(input_ids[:, -1].tolist()):
            self._written[place].append(token)
            self._done[place] = self._done[place] or self._ended(self._written[place])
        return torch.tensor(self._done, device=input_ids.device)

    def _ended(self, written: list[int]) -> bool:
        # A character of the mark is at most four tokens of one byte, and half a character may stand before it.
        mark = self._ends.text
        return self._ends.end_at(written) or (
            bool(mark) and mark in str(self._hero.tokenizer.decode(written[-4 * len(mark) - 4 :]))
        )


def _left_padded(sequences: list[list[int]], pad_id: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and their mask, int64, shape (B, T)."""
    length = max(map(len, sequences))
    inputs = [[pad_id] * (length - len(ids)) + ids for ids in sequences]
    mask = [[0] * (length - len(ids)) + [1] * len(ids) for ids in sequences]
    return torch.tensor(inputs), torch.tensor(mask)
