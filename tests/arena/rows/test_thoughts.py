"""Thoughts that a chat template drops are counted; a template with a field of its own for them gets them there."""

from __future__ import annotations

from pathlib import Path

import pytest
import trl
from transformers import AutoTokenizer

from arena import embedded
from arena.gate.inspection import Look, inspect
from arena.gate.rules import GateRules
from arena.hero.model import hero_tokenizer
from arena.recipe import Recipe
from arena.rows import masking, thoughts
from arena.rows.masking import ChatMask
from arena.rows.parse import Message

TEMPLATES = Path(trl.__file__).parent / "chat_templates"
STRIPPING = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content.split('</think>')[-1] + '<|im_end|>' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
OWN_FIELD = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' }}"
    "{% if m.thinking %}{{ '[' + m.thinking + ']' }}{% endif %}{{ m.content + '<|im_end|>' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
ROWS = """{"messages": [{"role": "user", "content": "3+4"}, {"role": "assistant", "content": \
"<think>\\nthree and four make seven\\n</think>\\n\\n7"}]}
{"messages": [{"role": "user", "content": "2+4"}, {"role": "assistant", "reasoning_content": \
"two and four make six", "content": "6"}]}
{"prompt": "1+1", "completion": "2"}
"""
THOUGHT = "<think>\nOne and one.\n</think>\n\nTwo."


def mask_of(template: str) -> ChatMask:
    tokenizer = AutoTokenizer.from_pretrained(embedded.SOURCE)
    tokenizer.chat_template = template
    return ChatMask(hero_tokenizer(tokenizer))


def learned(mask: ChatMask, *texts: str) -> str:
    said = tuple(Message("user" if index % 2 == 0 else "assistant", text) for index, text in enumerate(texts))
    found = mask.tokenize(said)
    return mask.tokenizer.decode([token for token, on in zip(found.input_ids, found.trained, strict=True) if on])


def test_dropped_thoughts_are_warned_of_by_line(tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text(ROWS)
    report = inspect(tmp_path / "q.jsonl", Look(rules=GateRules(), recipe=Recipe(), mask=mask_of(STRIPPING)))
    assert (report.rows, report.taken, report.warned_by_kind) == (3, 3, {"lost-thoughts": 2})
    assert [(warning.line, warning.reason.partition("(")[2]) for warning in report.warnings] == [
        (1, "message 2: 25 characters)"),
        (2, "message 2: 21 characters)"),
    ]


def test_twin_that_does_not_compare_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masking, "_lost_thoughts", lambda text, spans, content: ())
    with pytest.raises(AssertionError):
        test_dropped_thoughts_are_warned_of_by_line(tmp_path)


@pytest.mark.parametrize("template", [OWN_FIELD, (TEMPLATES / "qwen3.jinja").read_text()], ids=["own", "qwen3"])
def test_a_thought_that_is_shown_is_not_lost(template: str) -> None:
    assert mask_of(template).tokenize((Message("user", "1+1"), Message("assistant", THOUGHT))).lost_thoughts == ()


def test_qwen3s_earlier_thoughts_are_lost_and_their_turn_named() -> None:
    mask = mask_of((TEMPLATES / "qwen3.jinja").read_text())
    said = (Message("user", "1+1"), Message("assistant", THOUGHT))
    assert mask.tokenize(said * 2).lost_thoughts == ((2, len("One and one.")),)


def test_a_field_of_its_own_is_found_and_learned_from() -> None:
    mask = mask_of(OWN_FIELD)
    assert (mask.thought_field, mask_of(STRIPPING).thought_field) == ("thinking", None)
    assert learned(mask, "One and one.", THOUGHT) == "[One and one.]Two.<|im_end|>"
    assert learned(mask, "1", "2", "3", THOUGHT) == "2<|im_end|>[One and one.]Two.<|im_end|>"


def test_twin_without_the_field_the_thought_stands_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thoughts, "find_field", lambda render: None)
    with pytest.raises(AssertionError):
        test_a_field_of_its_own_is_found_and_learned_from()


def test_twin_without_its_place_the_thought_of_two_headers_is_not_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in gpt-oss, whose thought has a header of its own and the answer another."""
    template = OWN_FIELD.replace("']'", "'<|im_end|><|im_start|>assistant\n'")
    whole = "[One and one.<|im_end|><|im_start|>assistant\nTwo.<|im_end|>"
    assert learned(mask_of(template), "1+1", THOUGHT) == whole
    monkeypatch.setattr(ChatMask, "_behind_prompt", lambda self, asked, text, earliest, end: None)
    assert learned(mask_of(template), "1+1", THOUGHT) == whole
    monkeypatch.setattr(ChatMask, "_thought_openings", lambda self, chat, text: {})
    assert learned(mask_of(template), "1+1", THOUGHT) == "Two.<|im_end|>"
