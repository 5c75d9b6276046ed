"""What can never fit into a model's context is refused by its length, before its tokens are counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from arena import embedded
from arena.oracle import host
from arena.oracle.trouble import TooLong
from arena.rows.masking import ChatMask
from arena.rows.model import Message
from arena.rows.tokenizer import HeroTokenizer

CONTEXT = 30


@pytest.fixture
def mask() -> ChatMask:
    return ChatMask(HeroTokenizer.load(embedded.SOURCE))


@pytest.fixture
def encoded(mask: ChatMask, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every text whose tokens are counted."""
    texts: list[str] = []
    encode_many = HeroTokenizer.encode_many

    def noted(self: HeroTokenizer, asked: Sequence[str]) -> Any:
        texts.extend(asked)
        return encode_many(self, asked)

    assert mask.facts  # which tries the template
    monkeypatch.setattr(HeroTokenizer, "encode_many", noted)
    return texts


def rows(mask: ChatMask, *prompts: str) -> Any:
    model: Any = SimpleNamespace(id="m", context=CONTEXT, speaker=SimpleNamespace(mask=mask))
    return host._rows(model, [[Message("user", prompt)] for prompt in prompts], 5)


def too_much(mask: ChatMask) -> str:
    return "x" * (CONTEXT * mask.facts.longest_token + 1)


def test_a_prompt_of_too_many_characters_is_not_tokenised(mask: ChatMask, encoded: list[str]) -> None:
    with pytest.raises(TooLong, match=r"the conversation has \d+ characters; m reads at most 29 tokens"):
        rows(mask, too_much(mask))
    assert encoded == []
    with pytest.raises(TooLong, match="prompt 2 has"):
        rows(mask, "x", too_much(mask))
    assert not any(too_much(mask) in text for text in encoded)


def test_a_prompt_that_may_fit_is_counted(mask: ChatMask, encoded: list[str]) -> None:
    with pytest.raises(TooLong, match="tokens; m reads at most 29"):
        rows(mask, "x" * CONTEXT)
    (row,) = rows(mask, "x")
    assert (len(row.prompt_ids) + row.max_new_tokens <= CONTEXT, len(encoded)) == (True, 2)


def test_twin_without_the_look_at_its_length_it_would_be_tokenised(mask: ChatMask, encoded: list[str]) -> None:
    long = too_much(mask)
    mask.__dict__["facts"] = replace(mask.facts, longest_token=10**9)
    with pytest.raises(TooLong, match="tokens; m reads"):
        rows(mask, long)
    assert any(long in text for text in encoded)
