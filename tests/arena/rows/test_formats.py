"""Forms of public data sets, and those that a `datasets.yaml` declares."""

import json
from pathlib import Path
from typing import Any

import pytest

from arena.rows import formats, turns
from arena.rows.formats import BUILT_IN, load_declared, registry
from arena.rows.lines import Line
from arena.rows.parse import Message, Refusal, Row, parse_line
from realm.strict import BadConfig
from realm.world import World

S, U, A = (lambda text, role=role: Message(role, text) for role in turns.ROLES)


def parse(value: Any, specs: formats.Specs = BUILT_IN) -> Row | Refusal | None:
    return parse_line(Line(1, 0, json.dumps(value).encode()), specs)


@pytest.mark.parametrize(
    ("value", "data_format", "messages"),
    [
        ({"messages": [{"role": "developer", "content": "s"}, {"role": "assistant", "content": "a"}]},
         "messages", (S("s"), A("a"))),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "u"}, {"type": "text", "text": "v"}]},
                       {"role": "assistant", "content": "<think>t</think>a", "tool_calls": None, "weight": 1}]},
         "messages", (U("uv"), A("<think>t</think>a"))),
        ({"messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a",
                                                          "reasoning_content": "t\n"}]},
         "messages", (U("u"), A("<think>\nt\n</think>\n\na"))),
        ({"messages": [{"role": "assistant", "content": "a"}, {"role": "user", "content": "u"}], "tools": []},
         "messages", (A("a"), U("u"))),
        ({"messages": [{"role": "user", "content": "u"}, {"role": "user", "content": "v"},
                       {"role": "assistant", "content": "a"}, {"role": "assistant", "content": "b"}]},
         "messages", (U("u"), U("v"), A("a"), A("b"))),
        ({"messages": None, "prompt": "", "completion": "a", "id": 7, "metadata": {"x": [1]}},
         "prompt-completion", (U(""), A("a"))),
        ({"prompt": [{"role": "system", "content": "s"}], "completion": [{"role": "assistant", "content": "a"}]},
         "prompt-completion", (S("s"), A("a"))),
        ({"instruction": "i", "input": None, "output": "o", "history": []}, "alpaca", (U("i"), A("o"))),
        ({"instruction": "i", "input": "x", "output": "o", "system": "s"}, "alpaca", (S("s"), U("i\n\nx"), A("o"))),
        ({"instruction": "i", "output": "o", "history": [["a", "b"]]}, "alpaca", (U("a"), A("b"), U("i"), A("o"))),
        ({"conversations": [{"from": "human", "value": "u"}, {"from": "gpt", "value": "a"}], "system": "s"},
         "sharegpt", (S("s"), U("u"), A("a"))),
        ({"conversations": [{"from": "system", "value": "s"}, {"from": "user", "value": "u"},
                            {"from": "bard", "value": "a"}], "system": "s"}, "sharegpt", (S("s"), U("u"), A("a"))),
        ({"conversations": [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}]},
         "sharegpt", (U("u"), A("a"))),
    ],
)  # fmt: skip
def test_forms_of_public_data_sets(value: object, data_format: str, messages: tuple[Message, ...]) -> None:
    row = parse(value)
    assert isinstance(row, Row), row
    assert (row.data_format, row.messages) == (data_format, messages)


ASKED = {"role": "user", "content": "u"}
ANSWERED = {"role": "assistant", "content": "a"}


@pytest.mark.parametrize(
    ("value", "kind", "told"),
    [
        ({"messages": None}, "type", "messages: a non-empty list of messages is expected, not null"),
        ({"messages": []}, "empty", "messages: a non-empty list of messages is expected, not an empty one"),
        ({"messages": [ASKED]}, "no-answer", "no assistant turn: there is nothing to train on"),
        ({"messages": [ASKED, ANSWERED | {"content": None}]}, "type", "messages[1].content: a text is expected"),
        ({"messages": [ASKED, ANSWERED | {"content": []}]}, "empty", "an assistant turn is empty"),
        ({"messages": [ASKED, ANSWERED | {"content": 4}]}, "type", "messages[1].content: a text is expected, not a n"),
        ({"messages": [{"role": "narrator", "content": "u"}]}, "role", "messages[0]: role 'narrator' is not allowed; "),
        ({"messages": [{"role": ["user"], "content": "u"}]}, "role", "messages[0]: role that is a list is not allowed"),
        ({"messages": [{"content": "u"}]}, "role", "messages[0]: role None is not allowed"),
        ({"messages": [ASKED, {"role": "tool", "content": "u"}]}, "tool-call", "messages[1]: role 'tool' is a tool's"),
        ({"messages": [ASKED, ANSWERED | {"tool_calls": [{}]}]}, "tool-call", "messages[1]: tool calls are not"),
        ({"messages": [ASKED, ANSWERED], "tools": [{}]}, "tool-call", "tools: rows that offer tools are not"),
        ({"messages": [ASKED, ANSWERED | {"weight": 0}]}, "no-answer", "there is nothing to train on"),
        ({"messages": [ASKED, ANSWERED | {"weight": 0.5}]}, "unsupported", "messages[1]: weight 0.5 is not allowed"),
        ({"messages": [ASKED | {"content": [{"type": "image_url"}]}]}, "unsupported",
         "messages[0].content[0]: type 'image_url' cannot be trained on; allowed is text"),
        ({"messages": [ASKED | {"content": ["u"]}]}, "type", "messages[0].content[0]: an object with type and text"),
        ({"messages": [{"role": "system", "content": "s"}, ANSWERED], "system": "t"}, "format", "keep one"),
        ({"prompt": [ASKED], "completion": "a"}, "type", "prompt and completion must both be texts or both be lists"),
        ({"prompt": 1, "completion": "a"}, "type", "prompt: a text is expected, not a number"),
        ({"prompt": "a", "completion": None}, "type", "completion: a text is expected, not null"),
        ({"instruction": "i", "output": "o", "history": "a, b"}, "unsupported", "history: earlier turns are pairs"),
        ({"instruction": "i", "output": "o", "system": 3}, "type", "system: a text is expected, not a number"),
        ({"conversations": []}, "empty", "conversations: a non-empty list"),
        ({"conversations": [{"from": "observation", "value": "x"}]}, "tool-call", "from 'observation' is a tool's"),
        ({"conversations": [{"from": "alien", "value": "x"}]}, "role", "from 'alien' is not allowed; allowed are "),
        ({"conversations": [{"from": "human", "value": None}]}, "type", "conversations[0].value: a text is expected"),
        ({"chosen": "a", "rejected": "b"}, "format", "no known format: keys are 'chosen', 'rejected'; known are "),
    ],
)  # fmt: skip
def test_what_cannot_be_honoured_is_refused_in_words(value: object, kind: str, told: str) -> None:
    refused = parse(value)
    assert isinstance(refused, Refusal)
    assert refused.kind == kind
    assert told in refused.reason


def a_world(tmp_path: Path, text: str = "") -> World:
    (tmp_path / "datasets.yaml").write_text(text)
    return World(tmp_path)


def test_the_shipped_forms_are_read(tmp_path: Path) -> None:
    specs = registry(load_declared(a_world(tmp_path)))
    row = parse({"question": "q", "answer": "a", "context": "c", "system": "s", "answers": 1}, specs)
    assert isinstance(row, Row)
    assert (row.data_format, row.content) == ("question-answer", (S("s"), U("q\n\nc"), A("a")))
    assert isinstance(parse({"question": "q", "answer": "a"}), Refusal)


def test_a_world_declares_its_own_and_its_own_wins(tmp_path: Path) -> None:
    text = "riddle: {user: riddle, assistant: solution}\nquestion-answer: {user: answer, assistant: question}\n"
    text += "tale: {text: tale}\ndialog: {messages: dialog}\n"
    specs = registry(json.loads(json.dumps(load_declared(a_world(tmp_path, text)))))
    rows = [
        parse(value, specs)
        for value in (
            {"riddle": "r", "solution": "s"},
            {"question": "q", "answer": "a"},
            {"tale": "t"},
            {"dialog": [{"from": "human", "value": "u"}, {"from": "gpt", "value": "a"}], "tale": "t"},
        )
    ]
    assert [(row.data_format, row.content) for row in rows if isinstance(row, Row)] == [
        ("riddle", (U("r"), A("s"))),
        ("question-answer", (U("a"), A("q"))),
        ("tale", "t"),
        ("dialog", (U("u"), A("a"))),
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("messages: {user: q, assistant: a}", "messages: this form is built in; give yours another name"),
        ("mine: {user: q, assistnat: a}", "mine: unknown key 'assistnat'; allowed are assistant, context, messages, "),
        ("mine: {user: q}", "mine: user make no form; allowed are user and assistant"),
        ("mine: {}", "mine: nothing make no form"),
        ("mine: {text: t, user: q, assistant: a}", "make no form; allowed are"),
        ("mine: {user: q, assistant: q}", "mine: two parts stand under the same key"),
        ("mine: {user: q, assistant: ''}", "mine: a key of a row is expected, not an empty text"),
        ("mine: {user: q, assistant: 3}", "mine: assistant: a text is expected, not 3"),
        ("mine: {user: prompt, assistant: completion}", "read as prompt-completion, which is built in; leave it out"),
        ("mine: [q, a]", "mine: a mapping is expected"),
        ("Mine: {text: t2}", "'Mine' is no name of a form; allowed are up to 40 lower-case letters"),
        ("3: {text: t2}", "3 is no name of a form"),
        ("mine: {text: t2}\nmine: {text: t3}", "the key 'mine' stands there twice"),
        ("- mine", "a mapping is expected, list found"),
    ],
)
def test_a_wrong_entry_names_file_and_key(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(BadConfig) as refused:
        load_declared(a_world(tmp_path, text))
    assert str(tmp_path / "datasets.yaml") in str(refused.value)
    assert told in str(refused.value)
