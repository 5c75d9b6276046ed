"""The official client, unchanged, against a real host."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import oracle_heroes as heroes
from tests.support.oracle_heroes import RunningOracle

if TYPE_CHECKING:
    from openai import OpenAI

pytestmark = pytest.mark.slow

ASKED: list[Any] = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "20+22"}]
MODEL = f"DIO/{heroes.folder_name(5)}"


@pytest.fixture(scope="module")
def client(running: RunningOracle) -> Iterator[OpenAI]:
    from openai import OpenAI  # here: it takes seconds, and workers collect what others run

    with OpenAI(base_url=f"{running.url}/v1", api_key="none needed", max_retries=0) as made:
        yield made


def test_the_models_are_those_that_are_loaded(client: OpenAI) -> None:
    assert MODEL in [model.id for model in client.models.list()]
    assert client.models.retrieve(MODEL).id == MODEL


def test_a_whole_answer(client: OpenAI) -> None:
    reply = client.chat.completions.create(model=MODEL, messages=ASKED, temperature=0, max_tokens=6)
    assert reply.model == MODEL
    assert reply.choices[0].message.role == "assistant"
    assert reply.choices[0].message.content
    assert reply.choices[0].finish_reason == "length"
    assert reply.usage is not None
    assert reply.usage.completion_tokens == 6
    assert reply.model_extra is not None
    assert reply.model_extra["realm"]["step"] == 5


def test_a_streamed_answer_is_the_whole_one_in_pieces(client: OpenAI) -> None:
    options: Any = {"model": MODEL, "messages": ASKED, "temperature": 0.8, "top_p": 0.9, "seed": 3, "max_tokens": 20}
    whole = client.chat.completions.create(**options).choices[0]
    with client.chat.completions.create(**options, stream=True, stream_options={"include_usage": True}) as stream:
        pieces = list(stream)
    choices = [choice for piece in pieces for choice in piece.choices]
    assert "".join(choice.delta.content or "" for choice in choices) == whole.message.content
    assert len(choices) > 3
    assert choices[-1].finish_reason == whole.finish_reason
    assert pieces[-1].usage is not None
    assert {piece.model for piece in pieces} == {MODEL}


def test_a_stop_ends_the_answer_before_it(client: OpenAI) -> None:
    options: Any = {"model": MODEL, "messages": ASKED, "temperature": 0, "max_tokens": 20}
    text = client.chat.completions.create(**options).choices[0].message.content
    assert text
    stop = text[3:6]
    reply = client.chat.completions.create(**options, stop=stop).choices[0]
    assert (reply.message.content, reply.finish_reason) == (text[: text.index(stop)], "stop")


def test_parts_of_text_and_what_changes_nothing(client: OpenAI) -> None:
    parts: Any = [{"role": "user", "content": [{"type": "text", "text": "20"}, {"type": "text", "text": "+22"}]}]
    one = client.chat.completions.create(model=MODEL, messages=parts, temperature=0, n=1, user="me", logit_bias={})
    two = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "20+22"}], temperature=0)
    assert one.choices[0].message.content == two.choices[0].message.content


def test_a_model_that_is_not_loaded_is_not_found(client: OpenAI) -> None:
    import openai

    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="DIO/checkpoint-148000-20260101-1230", messages=ASKED)
    assert caught.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="gpt-4o", messages=ASKED, stream=True)
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-4o")


@pytest.mark.parametrize(
    "wrong",
    [
        {"n": 2}, {"logprobs": True}, {"tools": [{"type": "function", "function": {"name": "f"}}]},
        {"temperature": 3}, {"top_p": 0}, {"max_tokens": 0}, {"frequency_penalty": 1}, {"stop": [""]},
        {"response_format": {"type": "json_object"}}, {"extra_body": {"guided_choice": ["a"]}},
        {"messages": [{"role": "tool", "content": "a", "tool_call_id": "1"}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
        {"messages": [{"role": "user", "content": "a" * 9000}]},
    ],
)  # fmt: skip
def test_what_would_change_the_answer_and_is_not_done_is_refused(client: OpenAI, wrong: dict[str, Any]) -> None:
    import openai

    options: Any = {"model": MODEL, "messages": ASKED, "max_tokens": 4} | wrong
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**options)
    assert caught.value.message
