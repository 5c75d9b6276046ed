"""What can never fit into a model's context is refused by its length, before its tokens are counted."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from arena.oracle import host
from arena.oracle.trouble import TooLong
from arena.rows.model import Message

CONTEXT, LONGEST_TOKEN = 10, 4
TOO_MUCH = "x" * (CONTEXT * LONGEST_TOKEN + 1)


class Tokenizer:
    longest_token = LONGEST_TOKEN

    def __init__(self) -> None:
        self.encoded = 0

    def encode(self, text: str) -> list[int]:
        self.encoded += 1
        return [0] * -(-len(text) // LONGEST_TOKEN)


def model() -> Any:
    def prompt(turns: list[Message]) -> str:
        return "".join(turn.content for turn in turns)

    tokenizer = Tokenizer()
    mask = SimpleNamespace(
        tokenizer=tokenizer, prompt=prompt, prompt_ids=lambda turns: tokenizer.encode(prompt(turns))
    )  # fmt: skip
    return SimpleNamespace(id="m", context=CONTEXT, speaker=SimpleNamespace(mask=mask))


def rows(asked: Any, *prompts: str) -> Any:
    return host._rows(asked, [[Message("user", prompt)] for prompt in prompts], 5)


def test_a_prompt_of_too_many_characters_is_not_tokenised() -> None:
    asked = model()
    with pytest.raises(TooLong, match="the conversation has 41 characters; m reads at most 9 tokens"):
        rows(asked, TOO_MUCH)
    assert asked.speaker.mask.tokenizer.encoded == 0
    with pytest.raises(TooLong, match="prompt 2 has 41 characters"):
        rows(asked, "x", TOO_MUCH)


def test_a_prompt_that_may_fit_is_counted() -> None:
    with pytest.raises(TooLong, match="has 10 tokens; m reads at most 9"):
        rows(model(), TOO_MUCH[:-1])
    (row,) = rows(model(), "x" * 9 * LONGEST_TOKEN)
    assert (len(row.prompt_ids), row.max_new_tokens) == (9, 1)


def test_twin_without_the_look_at_its_length_it_would_be_tokenised() -> None:
    asked = model()
    asked.speaker.mask.tokenizer.longest_token = 10**9
    with pytest.raises(TooLong, match="11 tokens"):
        rows(asked, TOO_MUCH)
    assert asked.speaker.mask.tokenizer.encoded == 1
