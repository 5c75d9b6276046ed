"""Each kind of hostile file through the reader and the mask: what was expected, no exception, little memory."""

import json
import resource
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arena import embedded
from arena.rows import parse
from arena.rows.formats import registry
from arena.rows.lines import Line
from arena.rows.masking import ChatMask, MaskingError, Tokenized
from arena.rows.model import LONGEST_REASON
from arena.rows.parse import Refusal, Row, UnreadableQuest, parse_line, read_rows
from arena.rows.tokenizer import HeroTokenizer
from tests.support.hostile_kinds import KINDS, Case, make

pytestmark = pytest.mark.slow

SEEDS = (0, 1, 2)
LARGEST_GROWTH_BYTES = 200 * 1024**2
LONGEST_TOKENISED = 100_000
SPECS = registry({"question-answer": {"user": "question", "assistant": "answer"}})


KEYS = st.sampled_from(
    ["messages", "prompt", "completion", "instruction", "input", "output", "conversations", "text", "system", "tools",
     "history", "question", "answer", "role", "content", "from", "value", "tool_calls", "weight", "thinking", "type"]
)  # fmt: skip


@pytest.fixture(scope="module")
def mask() -> ChatMask:
    return ChatMask(HeroTokenizer.load(embedded.SOURCE))


def most_memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def check(case: Case) -> list[Row]:
    rows: list[Row] = []
    refused: list[Refusal] = []
    trouble: UnreadableQuest | None = None
    try:
        for item in read_rows(case.path, SPECS):
            if isinstance(item, Row):
                rows.append(item)
            else:
                refused.append(item)
    except UnreadableQuest as error:
        trouble = error
    if trouble is not None:
        assert trouble.kind == case.file_kind
        assert 10 < len(str(trouble).encode()) < 600
    else:
        assert case.file_kind is None
        assert [(refusal.line, refusal.kind) for refusal in refused] == list(case.refused)
        assert len(rows) == case.taken
    for refusal in refused:
        assert refusal.reason.encode()
        assert len(refusal.reason) <= LONGEST_REASON + 1
        assert "\n" not in refusal.reason
    return rows


def test_there_are_many_kinds_each_of_its_own() -> None:
    assert len(KINDS) >= 150


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_is_taken_or_refused_as_expected(name: str, tmp_path: Path, mask: ChatMask) -> None:
    before = most_memory()
    for seed in SEEDS:
        rows = check(make(name, seed, tmp_path, stem=f"quest-{seed}"))
        contents = [row.content for row in rows if row.line not in _long(rows)]
        for found in mask.tokenize_many(contents):
            assert isinstance(found, Tokenized | MaskingError)
    assert most_memory() - before < LARGEST_GROWTH_BYTES


def _long(rows: list[Row]) -> set[int]:
    return {row.line for row in rows if _characters(row) > LONGEST_TOKENISED}


def _characters(row: Row) -> int:
    return len(row.content) if isinstance(row.content, str) else sum(len(said.content) for said in row.content)


@pytest.mark.parametrize("name", [name for name in KINDS if name.startswith("text: ")])
def test_strange_texts_are_trained_on_as_they_stand(name: str, tmp_path: Path, mask: ChatMask) -> None:
    for row in check(make(name, 5, tmp_path)):
        found = mask.tokenize(row.content)
        assert any(found.trained)
        text = mask.tokenizer.decode([index for index, on in zip(found.input_ids, found.trained, strict=True) if on])
        assert row.messages[-1].content.split()[-1] in text


NO_CONTENT = ("file: ", "long: ")


@pytest.mark.parametrize("name", [name for name in KINDS if not name.startswith(NO_CONTENT) and "bomb" not in name])
def test_a_seed_makes_the_same_file_again(name: str, tmp_path: Path) -> None:
    made = []
    for folder in (tmp_path / "one", tmp_path / "two"):
        folder.mkdir()
        made.append(make(name, 3, folder))
    assert made[0].path.read_bytes() == made[1].path.read_bytes()
    assert made[0].path.name == made[1].path.name


SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4))


@given(value=st.dictionaries(KEYS, VALUES, max_size=5))
def test_no_value_under_a_known_key_breaks_reader_or_mask(value: dict[str, Any], mask: ChatMask) -> None:
    row = parse_line(Line(1, 0, json.dumps(value).encode()), SPECS)
    assert row is not None
    if isinstance(row, Row):
        (found,) = mask.tokenize_many([row.content])
        assert isinstance(found, Tokenized | MaskingError)


def test_a_reader_that_is_kind_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same check with the strictness taken out."""
    monkeypatch.setattr(parse, "_is_plainly_right", lambda value, data: True)
    strict = [name for name in KINDS if name.startswith(("twice: key", "nested: deep"))]
    assert len(strict) == 5
    for number, name in enumerate(strict):
        with pytest.raises(AssertionError):
            check(make(name, 0, tmp_path, stem=f"quest-{number}"))
