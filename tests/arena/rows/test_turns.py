"""Where a turn begins and ends: rows of many templates and tokenizers against the prompts that the hero is asked."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import pytest

from arena.rows import turn_check
from arena.rows.masking import ChatMask, MaskingError
from arena.rows.model import Message
from arena.rows.seams import Seams
from arena.rows.turn_check import NO_END, check_turns, probes
from arena.rows.turn_ends import TurnEnds, stretches
from tests.arena.rows.test_masking_by_other_means import NAMES, REFUSED, mask_of
from tests.arena.rows.turn_shapes import KINDS, SHAPES, tokenizer

pytestmark = pytest.mark.slow

ONE = (Message("user", "1+1?"), Message("assistant", "yes"))


def learned(mask: ChatMask, conversation: Sequence[Message]) -> list[str]:
    tokenized = mask.tokenize(conversation)
    return [mask.tokenizer.decode(tokenized.input_ids[a:b]) for a, b in stretches(tokenized.trained)]


def violations(mask: ChatMask) -> list[str]:
    """Of the rule: behind the prompt as asked, which begins the row, all is trained up to an end."""
    ends, found = TurnEnds.of(mask), []
    for conversation in probes():
        try:
            row = mask.tokenize(conversation)
        except MaskingError:
            continue
        for index in (at for at, message in enumerate(conversation) if message.role == "assistant"):
            prompt = mask.prompt_ids(conversation[:index])
            if row.input_ids[: len(prompt)] != prompt:
                found.append(f"{index}: the row does not begin with its prompt")
                continue
            ids, flags = row.input_ids[len(prompt) :], row.trained[len(prompt) :]
            stop = next((at for at in range(len(ids)) if stops(mask, ends, ids[: at + 1])), None)
            if stop is None or not all(flags[: stop + 1]):
                found.append(f"{index}: {mask.tokenizer.decode(ids)!r} stops at {stop}, trained {flags}")
    return found


def stops(mask: ChatMask, ends: TurnEnds, ids: list[int]) -> bool:
    return ends.end_at(ids) or (bool(ends.text) and ends.text in mask.tokenizer.decode(ids))


# Of these the rule cannot hold for earlier answers or at all, which the gate says.
OPEN = {"a template that leaves turns open", "nothing ends a turn"}


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape not in OPEN])
def test_each_shape_trains_all_that_the_hero_has_to_write(shape: str) -> None:
    mask = ChatMask(tokenizer(shape))
    assert learned(mask, ONE) == [SHAPES[shape].trained]
    assert violations(mask) == []
    assert check_turns(mask).refusal is None
    assert check_turns(mask).warnings == ()


@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "bytes"])
@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape not in OPEN])
def test_other_kinds_of_tokenizers(shape: str, kind: str) -> None:
    mask = ChatMask(tokenizer(shape, kind))
    if kind == "words" and "plain text" in shape:  # it puts blanks into the mark
        assert check_turns(mask).warnings == (NO_END,)
    else:
        assert violations(mask) == []
        assert check_turns(mask).warnings == ()


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if not name.endswith("_training")])
def test_every_template_that_trl_ships(name: str) -> None:
    mask = mask_of(name)
    if name.startswith(tuple(REFUSED)):
        assert mask.turns.refusal is not None
        return
    assert [fault for fault in violations(mask) if "begin" not in fault] == []
    assert mask.turns.warnings in ((), (turn_check.UNLIKE_ASKED,))
    assert mask.turns.refusal is None


def test_a_row_begins_with_the_tokens_that_the_hero_is_asked_with() -> None:
    """The prompt's last blank and the answer are one token in the whole text."""
    mask = ChatMask(tokenizer("a prompt that ends in a blank"))
    text = "Question: 1+1?\nAnswer: "
    assert mask.prompt_ids(ONE[:1]) == mask.tokenizer.encode(text)
    assert mask.tokenizer.encode(text + "yes")[: len(mask.tokenizer.encode(text))] != mask.tokenizer.encode(text)
    row = mask.tokenize(ONE)
    assert row.input_ids[: row.trained.index(True)] == mask.tokenizer.encode(text)
    assert mask.tokenizer.decode(row.input_ids) == text + "yes</s>\n"


def test_twin_without_mending_the_row_begins_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Seams, "_mended_at", lambda *_: None)
    mask = ChatMask(tokenizer("a prompt that ends in a blank"))
    assert violations(mask)


@pytest.mark.parametrize(
    ("guard", "without", "shape"),
    [
        ("_behind_prompt", lambda *_: None, "mistral 0.3"),
        ("_find_closing", lambda mask: ("", ""), "text before the end"),
        ("_find_open_end", lambda *_: None, "glm 4"),
    ],
)
def test_twin_without_a_guard_the_rule_does_not_hold(
    monkeypatch: pytest.MonkeyPatch, guard: str, without: object, shape: str
) -> None:
    monkeypatch.setattr(ChatMask, guard, without)
    mask = ChatMask(tokenizer(shape))
    check = turn_check.check_turns(mask)
    assert violations(mask)
    assert check.warnings


def test_a_template_that_leaves_the_last_turn_open_gets_an_end_of_sequence() -> None:
    mask = ChatMask(tokenizer("a template that leaves turns open"))
    assert learned(mask, ONE) == ["yes</s>"]
    assert learned(mask, ONE * 2) == ["yes", "yes</s>"]
    assert check_turns(mask).warnings == (turn_check.NO_END_OF_EARLIER,)
    assert learned(mask, (*ONE, Message("user", "2"))) == ["yes"]
    given = Message("assistant", "yes", given=True)
    assert learned(mask, (*ONE, Message("user", "2"), given)) == ["yes"]


def test_where_nothing_ends_a_turn_it_is_told() -> None:
    mask = ChatMask(tokenizer("nothing ends a turn"))
    assert check_turns(mask).warnings == (NO_END,)


def test_a_template_that_takes_no_conversation_is_refused_in_words() -> None:
    refusing = dataclasses.replace(tokenizer("chatml"), template="{{ messages[1].content.text.x }}")
    with pytest.raises(MaskingError):
        ChatMask(refusing)
    refusing = dataclasses.replace(tokenizer("chatml"), template="{{ messages[0].content }}")
    assert check_turns(ChatMask(refusing)).refusal == "message 2: the chat template leaves this answer out"


def test_ends_are_what_is_trained_the_end_of_sequence_and_what_the_model_names() -> None:
    def words(shape: str, *named: int) -> set[str]:
        mask = ChatMask(tokenizer(shape))
        return {mask.tokenizer.decode([token]) for token in TurnEnds.of(mask, named).ids}

    assert words("phi 3") == {"<|end|>", "<|endoftext|>"}
    assert words("glm 4") == {"<|user|>", "<|endoftext|>"}
    assert words("llama 3") == {"<|eot|>", "<eos>"}
    bos = tokenizer("llama 3").backend.token_to_id("<bos>")
    assert bos is not None
    assert words("llama 3", bos) == {"<|eot|>", "<eos>", "<bos>"}


def test_a_mark_that_closes_thoughts_too_ends_an_answer_only() -> None:
    mask = ChatMask(tokenizer("gpt-oss"))
    ends = TurnEnds.of(mask)

    def ended(text: str) -> bool:
        return ends.end_at(mask.tokenizer.encode(text))

    assert ended("<|channel|>final<|message|>yes<|end|>")
    assert ended("<|channel|>final<|message|>yes<|return|>")
    assert not ended("<|channel|>analysis<|message|>so it is<|end|>")


def test_a_mark_in_plain_text_is_cut_off_the_answer() -> None:
    ends = TurnEnds.of(ChatMask(tokenizer("chatml in plain text")))
    assert ends.text == "<|im_end|>"
    assert ends.cut("yes<|im_end|>\n<|im", ended=False) == "yes"
    assert ends.cut("yes<|im", ended=False) == "yes<|im"
    before = TurnEnds.of(ChatMask(tokenizer("text before the end")))
    assert before.cut("yes\n### End", ended=True) == "yes"
    assert before.cut("yes\n### End", ended=False) == "yes\n### End"
