"""What is wrong with a body is one sentence: where, what, and what is allowed."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import model_validator

from realm.oracle.wire import ChatRequest, Turn
from realm.strict import BadConfig
from realm.web import bodies
from realm.web.bodies import Body

CHAT: dict[str, Any] = {"model": "DIO/base", "messages": [{"role": "user", "content": "hi"}]}


def read(**keys: Any) -> ChatRequest:
    return bodies.read(ChatRequest, CHAT | keys, source="request")


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"sead": 1}, r"request: unknown key 'sead'; allowed are max_completion.*; did you mean 'seed'\?"),
        ({"messages": [{"rolle": "user", "content": ""}]}, r"request: messages\[0\]: unknown key 'rolle'; .*'role'\?"),
        ({"messages": [{"role": "user"}]}, r"request: messages\[0\]: key 'content' is missing"),
        ({"messages": [{"role": "bard", "content": ""}]}, r"messages\[0\]: role: 'bard' is not allowed; allowed are"),
        ({"messages": [5]}, r"messages\[0\]: a mapping is expected, not 5"),
        ({"messages": 5}, "messages: a list is expected, not 5"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "content: only parts of type text"),
        ({"max_tokens": True}, "max_tokens: a whole number is expected, not True"),
        ({"max_tokens": 1.5}, r"max_tokens: a whole number is expected, not 1\.5"),
        ({"max_tokens": 0}, "max_tokens: 0 is not allowed; allowed are 1 to 100000"),
        ({"top_p": 0}, r"top_p: 0\.0 is not allowed; allowed is more than 0, and at most 1"),
        ({"temperature": "1"}, "temperature: a number is expected, not '1'"),
        ({"stream": 1}, "stream: true or false is expected, not 1"),
        ({"n": 2}, "request: n: 2 is not done here, and would change the answer"),
        ({"seed": 10**400}, "seed: a number beyond all limits is not allowed"),
    ],
)
def test_what_is_wrong_is_one_sentence(keys: dict[str, Any], told: str) -> None:
    with pytest.raises(BadConfig, match=told) as refusal:
        read(**keys)
    assert "\n" not in str(refusal.value)


def test_what_changes_nothing_is_left_out() -> None:
    parts = [{"type": "text", "text": "h"}, {"type": "text", "text": "i"}]
    asked = read(n=1, user="me", logit_bias={}, top_k=None, stop="x", messages=[{"role": "user", "content": parts}])
    assert (asked.messages, asked.stop) == ([Turn(role="user", content="hi")], ["x"])


def test_a_form_sends_numbers_as_texts() -> None:
    asked = bodies.read(ChatRequest, CHAT | {"max_tokens": "12", "temperature": "0.5"}, source="request", lax=True)
    assert (asked.max_tokens, asked.temperature) == (12, 0.5)
    with pytest.raises(BadConfig, match="max_tokens: a whole number is expected, not 'x'"):
        bodies.read(ChatRequest, CHAT | {"max_tokens": "x"}, source="request", lax=True)
    with pytest.raises(BadConfig, match=r"temperature: .*nan.* is not allowed"):
        bodies.read(ChatRequest, CHAT | {"temperature": "nan"}, source="request", lax=True)


def test_twin_without_the_look_at_its_keys_a_misspelled_one_would_pass() -> None:
    class Careless(Body):
        seed: int = 0

        @model_validator(mode="before")
        @classmethod
        def _without_unknown_keys(cls, value: Any) -> Any:
            return value

    assert bodies.read(Careless, {"sead": 1}, source="request").seed == 0
