"""Answers that belong to the prompt are read and not learned: as TRL does for `prompt` with `completion`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from arena import embedded
from arena.rows import masking
from arena.rows.masking import ChatMask
from arena.rows.parse import Row, read_rows
from arena.rows.tokenizer import HeroTokenizer

USER, ANSWER = {"role": "user", "content": "what?"}, {"role": "assistant", "content": "first"}
LAST = {"role": "assistant", "content": "second"}
FORMS = {
    "prompt-completion": {"prompt": [USER, ANSWER, USER], "completion": [LAST]},
    "messages": {"messages": [USER, ANSWER | {"weight": 0}, USER, LAST]},
}


def learned(tmp_path: Path, value: object) -> str:
    path = tmp_path / "q.jsonl"
    path.write_text(json.dumps(value))
    (row,) = read_rows(path)
    assert isinstance(row, Row)
    tokenizer = HeroTokenizer.load(embedded.SOURCE)
    tokenized = ChatMask(tokenizer).tokenize(row.content)
    return tokenizer.decode(
        [token for token, trained in zip(tokenized.input_ids, tokenized.trained, strict=True) if trained]
    )


@pytest.mark.parametrize("form", FORMS)
def test_only_the_completion_is_learned(tmp_path: Path, form: str) -> None:
    assert learned(tmp_path, FORMS[form]) == "second<|im_end|>"


def test_all_answers_of_a_conversation_are_learned(tmp_path: Path) -> None:
    assert learned(tmp_path, {"messages": [USER, ANSWER, USER, LAST]}) == "first<|im_end|>second<|im_end|>"


def test_twin_that_forgets_which_answers_are_given_learns_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masking, "_learned", lambda spans, content: spans)
    assert learned(tmp_path, FORMS["prompt-completion"]) == "first<|im_end|>second<|im_end|>"
