"""Rows are read strictly; whatever is wrong is one sentence at its line."""

import json
import os
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arena.rows.limits import Limits
from arena.rows.parse import Message, Refusal, Row, UnreadableQuest, read_rows

GOOD = b'{"prompt": "a", "completion": "b"}\n'


def read(tmp_path: Path, data: bytes) -> list[Row | Refusal]:
    path = tmp_path / "quest.jsonl"
    path.write_bytes(data)
    return list(read_rows(path))


@pytest.mark.parametrize(
    ("value", "data_format", "messages"),
    [
        (
            {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"},
                          {"role": "assistant", "content": "a"}]},
            "messages",
            (Message("system", "s"), Message("user", "u"), Message("assistant", "a")),
        ),
        ({"prompt": "u", "completion": "a"}, "prompt-completion", (Message("user", "u"), Message("assistant", "a"))),
        (
            {"prompt": [{"role": "user", "content": "u"}], "completion": [{"role": "assistant", "content": "a"}]},
            "prompt-completion",
            (Message("user", "u"), Message("assistant", "a")),
        ),
        ({"instruction": "i", "output": "o"}, "alpaca", (Message("user", "i"), Message("assistant", "o"))),
        (
            {"instruction": "i", "input": "x", "output": "o"},
            "alpaca",
            (Message("user", "i\n\nx"), Message("assistant", "o")),
        ),
    ],
)  # fmt: skip
def test_known_formats(tmp_path: Path, value: object, data_format: str, messages: tuple[Message, ...]) -> None:
    (row,) = read(tmp_path, json.dumps(value).encode())
    assert isinstance(row, Row)
    assert (row.line, row.data_format, row.content, row.messages) == (1, data_format, messages, messages)


def test_plain_text_is_kept_as_it_stands_and_is_no_conversation(tmp_path: Path) -> None:
    (row,) = read(tmp_path, json.dumps({"text": " Once upon a time\n", "source": "tales"}).encode())
    assert isinstance(row, Row)
    assert (row.data_format, row.content) == ("text", " Once upon a time\n")
    with pytest.raises(TypeError, match="line 1 is plain text and has no messages"):
        _ = row.messages


def test_a_conversation_that_is_also_there_as_text_is_a_conversation(tmp_path: Path) -> None:
    (row,) = read(tmp_path, b'{"text": "a b", "prompt": "a", "completion": "b"}')
    assert isinstance(row, Row)
    assert row.data_format == "prompt-completion"


def test_formats_may_be_mixed_in_one_file(tmp_path: Path) -> None:
    found = read(tmp_path, GOOD + b'{"text": "x"}\n{"instruction": "i", "output": "o"}\n{"text": 1}\n' + GOOD)
    assert [item.data_format if isinstance(item, Row) else item for item in found] == [
        "prompt-completion",
        "text",
        "alpaca",
        Refusal(4, "text: a text is expected, not a number", "type"),
        "prompt-completion",
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "not JSON: "),
        (b'{"prompt": "a", "completion": \n', "not JSON: Expecting value at column 31"),
        (b"[1, 2]", "a JSON object is expected, this line holds a list"),
        (b'"x"', "this line holds a text"),
        (b"null", "this line holds null"),
        (b'{"question": "a"}', "no known format: keys are 'question'"),
        (b"{}", "no known format: keys are none"),
        (b'{"prompt": "a", "completion": ""}', "an assistant turn is empty"),
        (b'{"prompt": "a", "completion": " \\n"}', "an assistant turn is empty"),
        (b'{"prompt": "a", "completion": 3}', "completion: a text is expected, not a number"),
        (b'{"messages": []}', "messages: a non-empty list"),
        (b'{"messages": [{"role": "user", "content": "u"}]}', "no assistant turn"),
        (b'{"messages": [{"role": "tool", "content": "u"}]}', "messages[0]: role 'tool' is a tool's turn"),
        (b'{"messages": [{"role": "assistant", "content": null}]}', "messages[0].content: a text is expected"),
        (b'{"messages": ["hi"]}', "messages[0]: an object with role and content is expected, not a text"),
        (b'{"instruction": "i", "input": 5, "output": "o"}', "input: a text is expected, not a number"),
        (b'{"prompt": "a", "prompt": "c", "completion": "b"}', "the key 'prompt' stands twice"),
        (b'{"prompt": "a", "completion": "b", "x": NaN}', "NaN is not JSON"),
        (b'{"prompt": "a", "completion": "b", "x": -Infinity}', "-Infinity is not JSON"),
        (b'{"prompt": "a", "completion": "b", "x": 1e400}', "the number 1e400 is too large"),
        (b'{"prompt": "a", "completion": "b", "x": ' + b"1" * 5000 + b"}", "not JSON that can be read"),
        (b'{"prompt": "a", "completion": "\\ud800"}', "half of a surrogate pair at character 1"),
        (b'{"text": " \\n"}', "the text is empty"),
        (b'{"text": ["a"]}', "text: a text is expected, not a list"),
        (b'{"text": "\\udfff"}', "text: half of a surrogate pair at character 1"),
        (b'{"prompt": "\xff", "completion": "b"}', "not UTF-8: byte 13 of the line is 0xff"),
        (b"[" * 100_000, "nested too deeply"),
        ('{"prompt": "a", "completion": "b"}'.encode("utf-16"), "not UTF-8: byte 1 of the line is 0xff"),
    ],
)
def test_bad_rows_are_named(tmp_path: Path, line: bytes, reason: str) -> None:
    found = read(tmp_path, GOOD + line)
    assert isinstance(found[0], Row)
    refusals = [item for item in found if isinstance(item, Refusal)]
    assert len(refusals) == 1
    assert refusals[0].line == 2
    assert reason in refusals[0].reason


def test_lines_end_at_newlines_only_and_blank_ones_are_passed_over(tmp_path: Path) -> None:
    text = '{"prompt": "a\u2028b", "completion": "x\u0085y"}'
    found = read(tmp_path, b"\xef\xbb\xbf" + GOOD + b"\n  \r\n" + text.encode() + b"\r\n" + GOOD.strip())
    assert [item.line for item in found] == [1, 4, 5]
    assert all(isinstance(item, Row) for item in found)


def test_a_line_over_the_limit_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "quest.jsonl"
    path.write_bytes(GOOD + b"x" * 1000 + b"\n" + GOOD)
    found = list(read_rows(path, limits=Limits(largest_line_bytes=40)))
    assert [(type(item), item.line) for item in found] == [(Row, 1), (Refusal, 2), (Row, 3)]
    assert isinstance(found[1], Refusal)
    assert found[1].kind == "too-long-line"


def test_skill_and_level_are_read_where_the_forge_wrote_them(tmp_path: Path) -> None:
    rows = read(
        tmp_path,
        b'{"prompt": "a", "completion": "b", "skill": "bin", "level": 2}\n'
        b'{"prompt": "a", "completion": "b", "skill": "bin", "level": true}\n',
    )
    assert [(row.skill, row.level) for row in rows if isinstance(row, Row)] == [("bin", 2), (None, None)]


@pytest.mark.parametrize("kind", ["fifo", "link", "folder", "missing"])
def test_only_regular_files_are_read(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "quest.jsonl"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "link":
        path.symlink_to("/etc/hostname")
    elif kind == "folder":
        path.mkdir()
    with pytest.raises(UnreadableQuest, match=r"quest\.jsonl"):
        list(read_rows(path))


@given(st.binary(max_size=300))
def test_no_bytes_crash_the_reader(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    with suppress(UnreadableQuest):
        found = read(tmp_path_factory.mktemp("hostile"), data)
        assert all(isinstance(item, Row) or item.reason for item in found)
