"""One row's tokens: where it ends, and what of it may be told already."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arena.oracle import rows as rows_module
from arena.oracle.rows import Row, Scribe
from arena.rows.turn_ends import TurnEnds

EOS, MARK = 0, 1
SPECIAL = {EOS: "<|end|>", MARK: "<|user|>"}
ENDS = TurnEnds(ids=frozenset({EOS}))


def decode(ids: list[int], *, with_special: bool = False) -> str:
    """Each token is a byte, as in tokenizers that work on bytes; the special ones are left out unless asked for."""
    shown = [SPECIAL[token].encode() if token in SPECIAL else bytes([token]) for token in ids
             if with_special or token not in SPECIAL]  # fmt: skip
    return b"".join(shown).decode("utf-8", errors="replace")


def written(
    tokens: bytes, *, stop: tuple[str, ...] = (), max_new_tokens: int = 1000, ends: TurnEnds = ENDS
) -> tuple[Row, list[str]]:
    pieces: list[str] = []
    row = Row(prompt_ids=[1], max_new_tokens=max_new_tokens, stop=stop, on_text=pieces.append)
    scribe = Scribe(row, decode, ends, SPECIAL.values())
    ends = [scribe.take(token) for token in [*tokens, EOS, 65]]
    assert ends.count(True) == 1
    return row, pieces


def test_a_turns_end_ends_the_row_and_padding_behind_it_is_not_read() -> None:
    row, pieces = written(b"yes")
    assert (row.text, row.finish_reason, row.ids) == ("yes", "stop", [*b"yes", EOS])
    assert pieces == ["y", "e", "s"]


def test_the_most_tokens_that_are_allowed() -> None:
    row, _ = written(b"yes", max_new_tokens=2)
    assert (row.text, row.finish_reason, row.ids) == ("ye", "length", [*b"ye"])


def test_a_characters_bytes_are_told_together() -> None:
    _, pieces = written("a⑧b".encode())
    assert pieces == ["a", "⑧", "b"]


def test_a_stop_is_cut_off_and_what_may_become_one_is_held_back() -> None:
    row, pieces = written(b"one, two; STOP three", stop=("; STOP", "never"))
    assert (row.text, row.finish_reason) == ("one, two", "stop")
    assert "".join(pieces) == "one, two"
    row, pieces = written(b"one; ST", stop=("; STOP",))
    assert (row.text, "".join(pieces)) == ("one; ST", "one; ST")


def test_twin_told_at_once_the_stop_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "_settled", lambda text, stop: len(text))
    row, pieces = written(b"one; STOP", stop=("; STOP",))
    assert "".join(pieces) != row.text


@pytest.mark.parametrize(
    ("stop", "expected"),
    [("<|user|>", "yes\n"), ("\n<|user|>", "yes"), ("<|end|>", "yes\nno"), ("no<|end|>", "yes\n")],
)
def test_a_stop_may_name_a_special_token(stop: str, expected: str) -> None:
    row, pieces = written(b"yes\n" + bytes([MARK]) + b"no", stop=(stop,))
    assert (row.text, "".join(pieces), row.finish_reason) == (expected, expected, "stop")


def test_twin_without_special_tokens_in_view_no_stop_names_one() -> None:
    row = Row(prompt_ids=[1], max_new_tokens=100, stop=("<|user|>",))
    scribe = Scribe(row, decode, ENDS)
    assert [scribe.take(token) for token in b"yes" + bytes([MARK])] == [False] * 4


def test_a_mark_in_plain_text_ends_the_row_and_is_not_told() -> None:
    ends = TurnEnds(ids=frozenset({EOS}), text="<|im_end|>", tail="\n")
    row, pieces = written(b"yes<|im\n<|im_end|>\n<|im_start|>", ends=ends)
    assert (row.text, "".join(pieces), row.finish_reason) == ("yes<|im", "yes<|im", "stop")
    row, _ = written(b"yes\n<|im_end|>", ends=ends, max_new_tokens=14)
    assert (row.text, row.finish_reason) == ("yes", "stop")


def test_what_stands_before_an_end_is_not_told() -> None:
    row, pieces = written(b"yes\n###", ends=TurnEnds(ids=frozenset({EOS}), tail="\n###"))
    assert (row.text, "".join(pieces), row.finish_reason) == ("yes", "yes", "stop")


@given(
    st.binary(max_size=40).map(lambda data: data.translate(bytes.maketrans(b"\0\1", b"ab"))),
    st.lists(st.text("ab⑧", min_size=1), max_size=2),
)
def test_pieces_together_are_the_text(data: bytes, stop: list[str]) -> None:
    row, pieces = written(data, stop=tuple(stop))
    assert "".join(pieces) == row.text
    assert not any(each in row.text for each in stop)
    if row.finish_reason == "stop" and row.ids[-1] == EOS:
        assert row.text == decode(list(data))


def test_a_row_that_nobody_wants_takes_nothing() -> None:
    row = Row(prompt_ids=[1], max_new_tokens=5, gone=True)
    assert not Scribe(row, decode, ENDS).take(65)
    assert row.ids == []
