"""What a row says about itself means the same in every form, and nothing that matters is passed over in silence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from arena.rows import row_keys, turns
from arena.rows.formats import Specs, load_declared, registry
from arena.rows.lines import Line
from arena.rows.parse import Message, Refusal, Row, parse_line
from realm.world import World

U, A, S = (lambda text, role=role: Message(role, text) for role in ("user", "assistant", "system"))
FORMS: dict[str, dict[str, Any]] = {
    "messages": {"messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}]},
    "sharegpt": {"conversations": [{"from": "human", "value": "u"}, {"from": "gpt", "value": "a"}]},
    "prompt-completion": {"prompt": "u", "completion": "a"},
    "lists": {"prompt": [{"role": "user", "content": "u"}], "completion": [{"role": "assistant", "content": "a"}]},
    "alpaca": {"instruction": "u", "output": "a"},
    "question-answer": {"question": "u", "answer": "a"},
    "question-response": {"question": "u", "response": "a"},
    "prompt-response": {"prompt": "u", "response": "a"},
    "conversation": {"conversation": [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}]},
}
TURNS = {name: next(iter(FORMS[name])) for name in ("messages", "sharegpt", "conversation")}


@pytest.fixture(scope="module")
def specs(tmp_path_factory: pytest.TempPathFactory) -> Specs:
    return registry(load_declared(World(tmp_path_factory.mktemp("world"))))


def parse(value: Any, specs: Specs) -> Row | Refusal:
    row = parse_line(Line(1, 0, json.dumps(value).encode()), specs)
    assert row is not None
    return row


REFUSED = [
    {"weight": 0}, {"weight": 0.0}, {"loss_weight": False}, {"train": "false"}, {"trainable": 0}, {"masked": True},
    {"ignore": 1}, {"weight": -1}, {"loss_mask": [0, 1]}, {"label": False}, {"label": 0}, {"kto_tag": False},
    {"is_correct": False}, {"correct": False}, {"rejected": True}, {"label": "rejected"}, {"tools": [{"name": "f"}]},
    {"functions": '[{"name": "f"}]'}, {"tool_calls": [{}]}, {"function_call": {"name": "f"}}, {"images": ["a.png"]},
    {"image": "a.png"}, {"audio": {"path": "a.wav"}}, {"videos": ["v"]}, {"weights": [0, 1]}, {"system": 3},
    {"history": "u: a"}, {"reasoning": {"steps": 3}},
]  # fmt: skip
WARNED = [
    {"weight": 0.5}, {"sample_weight": 2}, {"prefix": "It is"}, {"mask_history": True}, {"chosen": "b"},
    {"rejected": "b"}, {"rejected_response": "b"}, {"train_on_inputs": True},
]  # fmt: skip
HARMLESS = [
    {"weight": 1}, {"weight": None}, {"train": True}, {"masked": False}, {"label": True}, {"label": 1}, {"tools": []},
    {"tools": "[]"}, {"images": []}, {"image": ""}, {"system": ""}, {"history": []}, {"reasoning_content": None},
    {"mask": "User"}, {"train_on_inputs": False}, {"skill": "bin", "level": 2}, {"label": ""}, {"tool_calls": None},
]  # fmt: skip
UNREAD = [{"id": 7}, {"source": "web"}, {"label": "sports"}, {"correct": 0}, {"reasoning": "on"}, {"score": 0.4}]
THOUGHTS = [
    "reasoning_content", "reasoning", "thinking", "thought", "thoughts", "rationale", "cot", "chain_of_thought",
    "Complex_CoT", "reasoningContent",
]  # fmt: skip
SYSTEMS = ["system", "system_prompt", "system_message", "developer"]
THOUGHT = "<think>\nt\n</think>\n\na"


@pytest.mark.parametrize("keys", REFUSED, ids=str)
@pytest.mark.parametrize("form", [*FORMS, "text"])
def test_what_forbids_a_row_is_refused_by_its_name(form: str, keys: dict[str, Any], specs: Specs) -> None:
    refused = parse(FORMS.get(form, {"text": "u a"}) | keys, specs)
    assert isinstance(refused, Refusal)
    assert next(iter(keys)) in refused.reason


@pytest.mark.parametrize("keys", WARNED, ids=str)
@pytest.mark.parametrize("form", [*FORMS, "text"])
def test_what_changes_nothing_is_warned_of(form: str, keys: dict[str, Any], specs: Specs) -> None:
    row = parse(FORMS.get(form, {"text": "u a"}) | keys, specs)
    assert isinstance(row, Row)
    assert [next(iter(keys)) in warning.reason for warning in row.warnings] == [True]
    assert row.warnings[0].line == 1


@pytest.mark.parametrize("keys", HARMLESS, ids=str)
@pytest.mark.parametrize("form", [*FORMS, "text"])
def test_what_says_nothing_is_passed_over(form: str, keys: dict[str, Any], specs: Specs) -> None:
    row = parse(FORMS.get(form, {"text": "u a"}) | keys, specs)
    assert isinstance(row, Row)
    assert (row.warnings, row.unread) == ((), ())


@pytest.mark.parametrize("keys", UNREAD, ids=str)
@pytest.mark.parametrize("form", [*FORMS, "text"])
def test_what_nobody_knows_is_noted(form: str, keys: dict[str, Any], specs: Specs) -> None:
    row = parse(FORMS.get(form, {"text": "u a"}) | keys, specs)
    assert isinstance(row, Row)
    assert (row.warnings, row.unread) == ((), tuple(keys))


@pytest.mark.parametrize("key", THOUGHTS)
@pytest.mark.parametrize("form", FORMS)
def test_a_thought_beside_an_answer_stands_before_it(form: str, key: str, specs: Specs) -> None:
    row = parse(FORMS[form] | {key: " t\n"}, specs)
    assert isinstance(row, Row)
    assert row.content == (U("u"), A(THOUGHT))


@pytest.mark.parametrize("key", SYSTEMS)
@pytest.mark.parametrize("form", FORMS)
def test_a_system_text_is_the_first_message(form: str, key: str, specs: Specs) -> None:
    row = parse(FORMS[form] | {key: "s", "history": [["v", "b"]]}, specs)
    assert isinstance(row, Row)
    assert row.content == (S("s"), U("v"), A("b"), U("u"), A("a"))


@pytest.mark.parametrize("key", ["reasoning", "system_prompt"])
def test_what_a_plain_text_holds_already_is_not_warned_of(key: str, specs: Specs) -> None:
    warned, silent = parse({"text": "u a", key: "s"}, specs), parse({"text": "s: u a", key: "s"}, specs)
    assert isinstance(warned, Row)
    assert isinstance(silent, Row)
    assert ([key in warning.reason for warning in warned.warnings], silent.warnings) == ([True], ())


@pytest.mark.parametrize(
    "flag",
    [{"weight": 0}, {"train": False}, {"loss": False}, {"trainable": 0}, {"masked": True}, {"mask": 1},
     {"train_on_turn": "false"}, {"loss_weight": 0.0}, {"label": False}],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("form", TURNS)
def test_an_answer_that_is_not_to_be_learned_is_read(form: str, flag: dict[str, Any], specs: Specs) -> None:
    asked, answered = FORMS[form][TURNS[form]]
    row = parse({TURNS[form]: [asked, answered | flag, asked, answered | {"weight": 1}]}, specs)
    assert isinstance(row, Row)
    assert [said.given for said in row.messages] == [False, True, False, False]


@pytest.mark.parametrize(
    "key",
    [{"weight": 0.5}, {"train_detail": [{"train": False}]}, {"prefix": True}, {"tool_calls": [{}]}, {"images": ["a"]},
     {"weight": 1, "train": False}, {"channel": "commentary"}, {"reasoning": "s", "thinking": "t"}],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("form", TURNS)
def test_a_turn_that_cannot_be_honoured_is_refused_by_its_name(form: str, key: dict[str, Any], specs: Specs) -> None:
    asked, answered = FORMS[form][TURNS[form]]
    refused = parse({TURNS[form]: [asked, answered | key]}, specs)
    assert isinstance(refused, Refusal)
    assert f"{TURNS[form]}[1]" in refused.reason
    assert all(name in refused.reason for name in key)


@pytest.mark.parametrize("form", TURNS)
def test_what_a_turn_holds_besides_is_noted_once(form: str, specs: Specs) -> None:
    asked, answered = FORMS[form][TURNS[form]]
    row = parse({TURNS[form]: [asked | {"name": "x"}, answered | {"name": "y", "weight": None}]}, specs)
    assert isinstance(row, Row)
    assert row.unread == (f"{TURNS[form]}[].name",)


@pytest.mark.parametrize(
    "answer",
    [
        {"content": "a", "thinking": "t", "reasoning_content": "t\n"},
        {"content": "<think>t</think>a", "thinking": "t"},
        {"content": [{"type": "thinking", "thinking": "t"}, {"type": "text", "text": "a"}]},
        {"content": "a", "reasoning": "t", "reasoning_details": [{"type": "reasoning.text", "text": "t"}]},
    ],
    ids=str,
)
def test_the_same_thought_in_two_places_appears_once(answer: dict[str, Any], specs: Specs) -> None:
    row = parse({"messages": [{"role": "user", "content": "u"}, {"role": "assistant", **answer}]}, specs)
    assert isinstance(row, Row)
    assert "".join(row.messages[1].content.split()) == "<think>t</think>a"


def test_harmonys_channels_are_a_thought_and_its_answer(specs: Specs) -> None:
    said = [{"role": "user", "content": "u"}, {"role": "assistant", "channel": "analysis", "content": "t"},
            {"role": "assistant", "channel": "final", "content": "a"}]  # fmt: skip
    row = parse({"messages": said}, specs)
    assert isinstance(row, Row)
    assert row.content == (U("u"), A(THOUGHT))
    assert isinstance(parse({"messages": said[:2]}, specs), Refusal)


def test_two_answers_and_one_thought_beside_them_are_warned_of(specs: Specs) -> None:
    row = parse({"messages": FORMS["messages"]["messages"] * 2, "reasoning": "t"}, specs)
    assert isinstance(row, Row)
    assert [warning.reason.partition(":")[0] for warning in row.warnings] == ["reasoning"]


def test_a_declared_form_keeps_the_keys_that_it_names(tmp_path: Path) -> None:
    (tmp_path / "datasets.yaml").write_text("own: {user: history, assistant: label, system: reasoning}\n")
    row = parse({"history": "u", "label": "false", "reasoning": "s"}, registry(load_declared(World(tmp_path))))
    assert isinstance(row, Row)
    assert row.content == (S("s"), U("u"), A("false"))


def test_twin_without_the_one_reader_a_rows_keys_are_passed_over(specs: Specs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_keys, "honoured", lambda content, value, own, notes: content)
    with pytest.raises(AssertionError):
        test_what_forbids_a_row_is_refused_by_its_name("prompt-completion", {"label": False}, specs)
    with pytest.raises(AssertionError):
        test_a_thought_beside_an_answer_stands_before_it("alpaca", "reasoning", specs)
    with pytest.raises(AssertionError):
        test_what_nobody_knows_is_noted("text", {"id": 7}, specs)


def test_twin_without_a_turns_flags_a_wrong_answer_is_learned(specs: Specs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns._Turn, "take", lambda self, key, value: None)
    with pytest.raises(AssertionError):
        test_an_answer_that_is_not_to_be_learned_is_read("sharegpt", {"weight": 0}, specs)
