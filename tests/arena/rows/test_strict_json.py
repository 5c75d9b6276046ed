"""The quick reader takes exactly what the strict one takes, and reads it the same."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from arena.rows import parse
from arena.rows.model import BadRow, Kind

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)


def outcome(read: Any, data: bytes) -> Any:
    try:
        return read(data)
    except BadRow as error:
        return error.kind


def same(quick: Any, slow: Any) -> bool:
    """Whole numbers beyond 64 bits are floats to the quick reader; no row is trained on numbers."""
    if type(quick) is not type(slow):
        return isinstance(quick, float) and isinstance(slow, int) and quick == float(slow)
    if isinstance(quick, dict):
        return quick.keys() == slow.keys() and all(same(quick[key], slow[key]) for key in quick)
    if isinstance(quick, list):
        return len(quick) == len(slow) and all(map(same, quick, slow))
    return bool(quick == slow)


@given(VALUES, st.booleans(), st.sampled_from([(",", ":"), (", ", ": "), (" ,", " : "), ("\t,", "\r:")]))
def test_values(value: Any, ascii_only: bool, separators: tuple[str, str]) -> None:
    data = json.dumps(value, ensure_ascii=ascii_only, separators=separators).encode()
    assert same(parse.parse_json(data), parse._parse_slowly(data))


PIECES = st.sampled_from(
    ["{", "}", "[", "]", ",", ":", " ", '"', '"a"', '"b"', '"a":', '"a" :', "\\", '\\"', "1", "1e999", "-0", "NaN",
     "null", "\\ud800", "é", "\u2028", '"\\":"', "\t", "9" * 400, "//"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=14))
@example(['{"a":', "1", ",", '"a" :', "1", "}"])
@example(['{"a":1,"a"\r\n:2}'])
@example(['{"\\":":1,"a":1,"a":2}'])
@example(['{"a":1,"\\u0061":2}'])
@example(["[" * 65, "]" * 65])
def test_scraps(scraps: list[str]) -> None:
    data = "".join(scraps).encode()
    assert same(outcome(parse.parse_json, data), outcome(parse._parse_slowly, data))


@given(st.binary(max_size=60))
def test_bytes(data: bytes) -> None:
    assert same(outcome(parse.parse_json, data), outcome(parse._parse_slowly, data))


@pytest.mark.parametrize("data", [b'{"a":1,"a":2}', b'{"a":1,"a" :2}', b'{"x":[{"a":1,"b":{"a":1,"a":1}}]}'])
def test_without_the_count_of_keys_one_of_two_would_be_lost(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    assert outcome(parse.parse_json, data) == Kind.DUPLICATE_KEY
    monkeypatch.setattr(parse, "_is_plainly_right", lambda value, data: True)
    assert outcome(parse.parse_json, data) != Kind.DUPLICATE_KEY


@pytest.mark.parametrize("levels", [parse.DEEPEST, parse.DEEPEST + 1, 100_000])
@pytest.mark.parametrize("brackets", ["[]", ('{"a":', "}")])
def test_the_depth_is_counted_whatever_python_allows(levels: int, brackets: tuple[str, str]) -> None:
    data = (brackets[0] * levels + ("1" if len(brackets[0]) > 1 else "") + brackets[1] * levels).encode()
    found = outcome(parse.parse_json, data)
    assert (found == Kind.NESTING) == (levels > parse.DEEPEST)


def test_brackets_within_texts_are_no_depth() -> None:
    data = json.dumps({"a": '[{"' * 500, "b": 1e3}).encode().replace(b'"b":', b'"b" :')
    assert parse.parse_json(data)["a"] == '[{"' * 500
