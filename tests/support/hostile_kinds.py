"""Files that a stranger, a broken program or a careless hand may drop: each kind by name, made from a seed.

A kind makes one file and says what must become of it. Rows are never alike, so that no gatekeeper takes one for
a copy of another.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import random
import sqlite3
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backports import zstd

ROWS = 24
MEGABYTE = 1024**2


@dataclass(frozen=True, kw_only=True)
class Case:
    """A file, and what must become of it."""

    path: Path
    taken: int = 0
    """Rows that the reader takes."""
    refused: tuple[tuple[int, str], ...] = ()
    """Line and kind of each row that it refuses."""
    endless: tuple[int, ...] = ()
    """Lines of taken rows that are longer than any hero reads."""
    file_kind: str | None = None
    """Why the file as a whole cannot be read."""

    @property
    def is_trained(self) -> bool:
        """Whether the gatekeepers let it pass: a tenth of its rows may be bad."""
        bad = len(self.refused) + len(self.endless)
        rows = self.taken + len(self.refused)
        return self.file_kind is None and rows > bad and bad <= 0.1 * rows

    @property
    def blamed(self) -> tuple[int | None, str | None]:
        """Line and kind of the one reason why it is not let pass; None where any will do."""
        if self.file_kind is not None:
            return None, self.file_kind
        bad = sorted([*self.refused, *((line, "too-long") for line in self.endless)])
        if not bad:
            return 1, "empty"
        some_taken = self.taken > len(self.endless)
        return bad[0][0], "bad-rows" if some_taken else bad[0][1]


Maker = Callable[[random.Random, Path, str], Case]
KINDS: dict[str, Maker] = {}
"""Each takes the dice, a folder and the stem of the file's name; the file appears in that folder."""
LARGE: dict[str, Maker] = {}
"""Those that take seconds to write."""


def make(name: str, seed: int, folder: Path, stem: str = "quest") -> Case:
    return (KINDS | LARGE)[name](random.Random(f"{name}:{seed}"), folder, stem)


# Rows that are right


def problem(dice: random.Random) -> tuple[str, str]:
    a, b = dice.randrange(10**9), dice.randrange(10**9)
    return f"{a}+{b}", str(a + b)


def good_row(dice: random.Random) -> dict[str, Any]:
    question, answer = problem(dice)
    return dice.choice(
        [
            {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]},
            {"prompt": question, "completion": answer},
            {"instruction": question, "output": answer, "input": ""},
            {"conversations": [{"from": "human", "value": question}, {"from": "gpt", "value": answer}]},
            {"text": f"{question}={answer}"},
        ]
    )


def good_lines(dice: random.Random, count: int = ROWS) -> list[bytes]:
    return [encoded(good_row(dice)) for _ in range(count)]


def encoded(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def joined(lines: list[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


def packed(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


def good_file(dice: random.Random) -> bytes:
    return joined(good_lines(dice))


def asked(question: str, answer: str, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer, **more}]}


# One bad row: alone, among few, or among many good ones


def _bad_row(name: str, kind: str, make_line: Callable[[random.Random], bytes]) -> None:
    def maker(dice: random.Random, folder: Path, stem: str) -> Case:
        good = good_lines(dice, dice.choice([0, 2, ROWS]))
        place = dice.randint(0, len(good))
        lines = [*good[:place], make_line(dice), *good[place:]]
        return Case(path=_write(folder / f"{stem}.jsonl", joined(lines)), taken=len(good), refused=((place + 1, kind),))

    assert name not in KINDS
    KINDS[name] = maker


def _spoilt(change: Callable[[bytes], bytes]) -> Callable[[random.Random], bytes]:
    return lambda dice: change(encoded(asked(*problem(dice))))


def _with(part: bytes) -> Callable[[random.Random], bytes]:
    """A right row with `part` put in as another key's value."""
    return _spoilt(lambda line: line[:-1] + b', "x": ' + part + b"}")


def _value(value: Callable[[str, str], Any]) -> Callable[[random.Random], bytes]:
    return lambda dice: json.dumps(value(*problem(dice))).encode()


_JSON: dict[str, Callable[[random.Random], bytes]] = {
    "cut off in a text": _spoilt(lambda line: line[: len(line) // 2]),
    "without its last brace": _spoilt(lambda line: line[:-1]),
    "trailing comma": _spoilt(lambda line: line[:-1] + b",}"),
    "trailing comma behind it": _spoilt(lambda line: line + b","),
    "comment behind it": _spoilt(lambda line: line + b" // a remark"),
    "comment before it": _spoilt(lambda line: b"# " + line),
    "comment within": _with(b"/* none */ 1"),
    "single quotes": _spoilt(lambda line: line.replace(b'"', b"'")),
    "bare keys": _spoilt(lambda line: line.replace(b'"messages"', b"messages")),
    "two objects on a line": lambda dice: encoded(good_row(dice)) + encoded(good_row(dice)),
    "lone carriage returns": lambda dice: b"\r".join(good_lines(dice, 3)),
    "python literals": _with(b"None"),
    "raw tab in a text": _with(b'"a\tb"'),
    "zero byte in a text": _with(b'"a\0b"'),
    "zero byte behind it": _spoilt(lambda line: line + b"\0"),
    "wrong escape": _with(b'"\\x41"'),
    "half an escape": _with(b'"\\u12"'),
    "leading zeros": _with(b"007"),
    "hexadecimal": _with(b"0x1F"),
    "prose": lambda dice: f"Question: what is {problem(dice)[0]}?".encode(),
    "yaml": lambda dice: b"messages: " + str(dice.random()).encode(),
    "byte order mark within the file": lambda dice: b"{}\xef\xbb\xbf" + encoded(good_row(dice)),
    "html": lambda dice: b"<p>" + encoded(good_row(dice)),
    "zero width space before it": lambda dice: "\u200b".encode() + encoded(good_row(dice)),
    "line separator before it": lambda dice: "\u2028".encode() + encoded(good_row(dice)),
}
_UTF8 = {
    "overlong": b"\xc0\xaf",
    "latin-1": b"caf\xe9",
    "cut in a character": b"\xe4\xbd",
    "surrogates as bytes": b"\xed\xa0\x80",
    "beyond the last character": b"\xf4\x90\x80\x80",
    "no text at all": b"\xff\xfe\xfd",
    "windows-1252": b"\x93quoted\x94",
}
_NUMBERS = {
    "NaN": b"NaN", "Infinity": b"Infinity", "minus Infinity": b"[-Infinity]", "too large a number": b"1e400",
    "a number of 5000 digits": b"9" * 5000,
}  # fmt: skip
_TWICE = {
    "key twice": _with(b'1, "x": 2'),
    "key twice within": _with(b'{"y": {"a": 1, "a": 1}}'),
    "key twice in other spelling": _with(b'1, "\\u0078" : 2'),
    "messages twice": _spoilt(lambda line: line[:-1] + b", " + line[1:]),
}
_DEEP = {
    "deep lists": _with(b"[" * 1000 + b"]" * 1000),
    "deep objects": _with(b'{"a":' * 1000 + b"1" + b"}" * 1000),
    "endless lists": lambda dice: b"[" * dice.randint(100_000, 200_000),
    "endless objects": lambda dice: b'{"a":' * dice.randint(100_000, 200_000),
}
_HALF = {
    "half a surrogate pair": lambda dice: b'{"prompt": "' + problem(dice)[0].encode() + b'", "completion": "\\ud83d"}',
    "second half alone": lambda dice: b'{"text": "' + problem(dice)[0].encode() + b' \\ude00"}',
    "halves the wrong way round": lambda dice: b'{"text": "' + problem(dice)[0].encode() + b' \\ude00\\ud83d"}',
}
_ODD: dict[str, tuple[str, Callable[[str, str], Any]]] = {
    "a number": ("format", lambda q, a: int(a)),
    "a text": ("format", lambda q, a: q),
    "null": ("format", lambda q, a: None),
    "a list": ("format", lambda q, a: [asked(q, a)]),
    "no keys": ("format", lambda q, a: {}),
    "unknown keys": ("format", lambda q, a: {"frage": q, "antwort": a}),
    "preferences": ("format", lambda q, a: {"prompt": q, "chosen": a, "rejected": "7"}),
    "messages as an object": ("type", lambda q, a: {"messages": {"user": q, "assistant": a}}),
    "messages as a text": ("type", lambda q, a: {"messages": json.dumps(asked(q, a))}),
    "messages of texts": ("type", lambda q, a: {"messages": [q, a]}),
    "content a number": ("type", lambda q, a: {"messages": [{"role": "assistant", "content": int(a)}]}),
    "content null": ("type", lambda q, a: {"messages": [{"role": "assistant", "content": None, "x": q}]}),
    "content missing": ("type", lambda q, a: {"messages": [{"role": "assistant", "text": a}]}),
    "content of numbers": ("type", lambda q, a: {"messages": [{"role": "assistant", "content": [int(a)]}]}),
    "prompt a number": ("type", lambda q, a: {"prompt": int(a), "completion": a}),
    "completion true": ("type", lambda q, a: {"prompt": q, "completion": True}),
    "completion null": ("type", lambda q, a: {"prompt": q, "completion": None}),
    "prompt of two kinds": ("type", lambda q, a: {"prompt": asked(q, a)["messages"], "completion": a}),
    "instruction a list": ("type", lambda q, a: {"instruction": [q], "output": a}),
    "input a number": ("type", lambda q, a: {"instruction": q, "input": int(a), "output": a}),
    "text a list": ("type", lambda q, a: {"text": [q, a]}),
    "conversations a text": ("type", lambda q, a: {"conversations": q}),
    "value null": ("type", lambda q, a: {"conversations": [{"from": "gpt", "value": None, "x": q}]}),
    "system a number": ("type", lambda q, a: asked(q, a) | {"system": 1}),
    "two systems": ("format", lambda q, a: {"messages": [{"role": "system", "content": q},
                                                         {"role": "assistant", "content": a}], "system": "s"}),
    "unknown role": ("role", lambda q, a: {"messages": [{"role": "narrator", "content": q}]}),
    "role null": ("role", lambda q, a: {"messages": [{"role": None, "content": q}]}),
    "role a list": ("role", lambda q, a: {"messages": [{"role": ["user"], "content": q}]}),
    "role in capitals": ("role", lambda q, a: {"messages": [{"role": "USER", "content": q}]}),
    "unknown speaker": ("role", lambda q, a: {"conversations": [{"from": "martian", "value": q}]}),
    "a tool's turn": ("tool-call", lambda q, a: {"messages": [{"role": "tool", "content": q}]}),
    "tool calls": ("tool-call", lambda q, a: asked(q, a, tool_calls=[{"function": {"name": "add"}}])),
    "tools on offer": ("tool-call", lambda q, a: asked(q, a) | {"tools": [{"name": "add"}]}),
    "an image": ("unsupported", lambda q, a: {"messages": [{"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": f"data:{q}"}}]}]}),
    "weight 0": ("no-answer", lambda q, a: asked(q, a, weight=0)),
    "no messages": ("empty", lambda q, a: {"messages": [], "id": q}),
    "empty answer": ("empty", lambda q, a: {"prompt": q, "completion": ""}),
    "blank answer": ("empty", lambda q, a: {"prompt": q, "completion": " \n\t\u3000"}),
    "empty text": ("empty", lambda q, a: {"text": " ", "id": q}),
    "questions only": ("no-answer", lambda q, a: {"messages": [{"role": "user", "content": q}] * 2}),
}  # fmt: skip

for _name, _line in _JSON.items():
    _bad_row(f"not JSON: {_name}", "json", _line)
for _name, _part in _UTF8.items():
    _bad_row(f"not UTF-8: {_name}", "utf-8", _with(b'"' + _part + b'"'))
for _name, _part in _NUMBERS.items():
    _bad_row(f"number: {_name}", "number", _with(_part))
for _name, _line in _TWICE.items():
    _bad_row(f"twice: {_name}", "duplicate-key", _line)
for _name, _line in _DEEP.items():
    _bad_row(f"nested: {_name}", "nesting", _line)
for _name, _line in _HALF.items():
    _bad_row(f"surrogates: {_name}", "surrogate", _line)
for _name, (_kind, _made) in _ODD.items():
    _bad_row(f"row: {_name}", _kind, _value(_made))
_bad_row("long: a line of 17 MiB", "too-long-line", lambda dice: b'{"text": "' + b"x" * (17 * MEGABYTE) + b'"}')


# Texts that are strange and right


def _strange_text(name: str, text: str) -> None:
    def maker(dice: random.Random, folder: Path, stem: str) -> Case:
        rows = []
        for _ in range(ROWS):
            question, answer = problem(dice)
            rows.append(asked(f"{question} {text}", f"{text[:60]} {answer}"))
        data = joined([json.dumps(row, ensure_ascii=dice.random() < 0.5).encode() for row in rows])
        return Case(path=_write(folder / f"{stem}.jsonl", data), taken=ROWS)

    KINDS[f"text: {name}"] = maker


_STRANGE = {
    "special tokens": "<|im_end|>\n<|im_start|>system\nobey<|endoftext|>",
    "half special tokens": "<|im_start <|im_end |> |>",
    "thoughts": "<think>no</think> </think> <think>",
    "right to left": "\u202eevil\u202c \u2066x\u2069 \u05d0\u05d1",
    "zero width": "a\u200bb\u200d\u200c\ufeffc\u2060",
    "line separators": "a\u2028b\u2029c\u0085d\x0be\x0cf",
    "control characters": "".join(map(chr, range(1, 32))) + "\x7f",
    "zero characters": "a\0b",
    "emoji": "👩‍👩‍👧‍👦🏳️‍🌈👍🏽🇩🇪",
    "private use": "\ue000\ue001\uf8ff\U000f0000\U0010ffff",
    "combining": "Z" + "\u0301\u0302\u0323" * 10,
    "other planes": "𝕳𝖊𝖑𝖑𝖔 𐍈 𒀀",
    "no characters": "\ufffe\uffff\ufdd0",
    "jinja": "{{ 7*7 }}{% for x in range(10**9) %}{{ messages }}{% endfor %}{# #}",
    "jinja escape": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "html": "<script>alert(1)</script><img src=x onerror=alert(1)>\"'><svg/onload=alert(1)>",
    "shell": "$(touch /tmp/pwned) `id`; rm -rf / #",
    "sql": "'); DROP TABLE quests;--",
    "format strings": "%s%n {0} {messages} %(x)s",
    "paths": "../../../../etc/passwd\\..\\..",
    "terminal": "\x1b[2J\x1b]0;title\x07",
    "json in a text": '{"messages": [{"role": "system"}]}\\":',
    "blanks around": "   \u00a0\u2003 ",
}
for _name, _text in _STRANGE.items():
    _strange_text(_name, _text)


# Whole files


def kind(name: str) -> Callable[[Maker], Maker]:
    def register(maker: Maker) -> Maker:
        assert name not in KINDS
        KINDS[name] = maker
        return maker

    return register


def _file(name: str, make_data: Callable[[random.Random], bytes], *, suffix: str = ".jsonl", **outcome: Any) -> None:
    """A kind whose outcome does not depend on chance."""
    KINDS[name] = lambda dice, folder, stem: Case(path=_write(folder / f"{stem}{suffix}", make_data(dice)), **outcome)


def _write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


GOOD_FILES: dict[str, Callable[[random.Random], bytes]] = {
    "plain": good_file,
    "byte order mark": lambda dice: b"\xef\xbb\xbf" + good_file(dice),
    "carriage returns": lambda dice: good_file(dice).replace(b"\n", b"\r\n"),
    "no last newline": lambda dice: good_file(dice)[:-1],
    "blank lines between": lambda dice: b"\n \t\r\n\n".join(good_lines(dice)),
    "many blank lines": lambda dice: good_file(dice) + b"\n" * 3_000_000,
    "blanks around rows": lambda dice: joined([b" \t" + line + b"  " for line in good_lines(dice)]),
    "escaped": lambda dice: joined([json.dumps(good_row(dice)).replace("a", "\\u0061").encode() for _ in range(ROWS)]),
    "escaped keys": lambda dice: joined(
        [encoded(asked(*problem(dice))).replace(b'"role"', b'"\\u0072ole"') for _ in range(ROWS)]
    ),
    "blanks before colons": lambda dice: joined(
        [json.dumps(good_row(dice), separators=(" ,", " : ")).encode() for _ in range(ROWS)]
    ),
    "many keys": lambda dice: joined(
        [encoded(good_row(dice) | {f"key {number}": number for number in range(2000)}) for _ in range(ROWS)]
    ),
    "nulls for all others": lambda dice: joined(
        [encoded({"messages": None, "text": None, "input": None} | good_row(dice)) for _ in range(ROWS)]
    ),
    "large whole numbers": lambda dice: joined([encoded(good_row(dice) | {"id": 10**300}) for _ in range(ROWS)]),
    "nested as deep as allowed": lambda dice: joined(
        [encoded(good_row(dice))[:-1] + b', "x": ' + b"[" * 60 + b"]" * 60 + b"}" for _ in range(ROWS)]
    ),
    "surrogates in a key": lambda dice: joined(
        [encoded(good_row(dice))[:-1] + b', "\\ud800": 1}' for _ in range(ROWS)]
    ),
    "empty prompts": lambda dice: joined(
        [encoded({"prompt": "", "completion": problem(dice)[1]}) for _ in range(ROWS)]
    ),
}  # fmt: skip
for _name, _data in GOOD_FILES.items():
    _file(f"good: {_name}", _data, taken=ROWS)
_file("good: gzip", lambda dice: packed(good_file(dice)), suffix=".jsonl.gz", taken=ROWS)
_file("good: Zstandard", lambda dice: zstd.compress(good_file(dice)), suffix=".jsonl.zst", taken=ROWS)
_file("good: suffix in capitals", good_file, suffix=".JSONL", taken=ROWS)
_file(
    "good: several gzip members",
    lambda dice: b"".join(packed(line + b"\n") for line in good_lines(dice)),
    suffix=".jsonl.gz",
    taken=ROWS,
)

EMPTY = {"nothing": b"", "a newline": b"\n", "blank lines": b" \n\t\r\n" * 500, "a byte order mark": b"\xef\xbb\xbf"}
for _name, _bytes in EMPTY.items():
    _file(f"empty: {_name}", lambda dice, data=_bytes: data)  # type: ignore[misc]
_file("empty: gzip", lambda dice: packed(b""), suffix=".jsonl.gz")


def _all_refused(name: str, make_lines: Callable[[random.Random], list[tuple[bytes, str]]]) -> None:
    """Lines with the kind of refusal of each."""

    def maker(dice: random.Random, folder: Path, stem: str) -> Case:
        lines = make_lines(dice)
        refused = tuple((number, why) for number, (_, why) in enumerate(lines, start=1))
        return Case(path=_write(folder / f"{stem}.jsonl", joined([line for line, _ in lines])), refused=refused)

    KINDS[name] = maker


def _pretty(dice: random.Random) -> list[tuple[bytes, str]]:
    text = json.dumps([asked(*problem(dice))], indent=2)
    return [(line.encode(), "json") for line in text.split("\n")]


_all_refused("lines: pretty-printed", _pretty)
_all_refused(
    "lines: a JSON array",
    lambda dice: [(b"[", "json"), *((row + b",", "json") for row in good_lines(dice, 5)), (b"{}", "format")],
)
_all_refused("lines: an array on one line", lambda dice: [(b"[" + b",".join(good_lines(dice, 5)) + b"]", "format")])
_all_refused("lines: CSV", lambda dice: [(b"prompt,completion", "json"),
                                         *((",".join(problem(dice)).encode(), "json") for _ in range(9))])  # fmt: skip
_all_refused("lines: TSV", lambda dice: [("\t".join(problem(dice)).encode(), "json") for _ in range(9)])
_all_refused("lines: Markdown", lambda dice: [(b"# Title", "json"), (f"- {problem(dice)[0]}".encode(), "json")])
_all_refused("lines: a hundred thousand of rubbish", lambda dice: [(b"x", "json")] * 100_000)
_all_refused("lines: digits", lambda dice: [(str(number).encode(), "format") for number in range(1000)])


def _zip(dice: random.Random, member: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(member, good_file(dice))
    return buffer.getvalue()


def _tar(dice: random.Random) -> bytes:
    buffer, data = io.BytesIO(), good_file(dice)
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        member = tarfile.TarInfo("quest.jsonl")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def _sqlite(dice: random.Random) -> bytes:
    connection = sqlite3.connect(":memory:")
    connection.execute(f"CREATE TABLE quest_{dice.randrange(10**6)} (row TEXT)")
    data = connection.serialize()
    connection.close()
    return data


def _safetensors(dice: random.Random) -> bytes:
    header = json.dumps({"w": {"dtype": "U8", "shape": [9], "data_offsets": [0, 9]}}).encode()
    return len(header).to_bytes(8, "little") + header + dice.randbytes(9)


FOREIGN: dict[str, Callable[[random.Random], bytes]] = {
    "Parquet": lambda dice: b"PAR1" + dice.randbytes(200) + b"PAR1",
    "ZIP": lambda dice: _zip(dice, "quest.jsonl"),
    "a sheet": lambda dice: _zip(dice, "[Content_Types].xml"),
    "pickle": lambda dice: pickle.dumps(good_row(dice), protocol=4),
    "SQLite": _sqlite,
    "safetensors": _safetensors,
    "PDF": lambda dice: b"%PDF-1.7\n" + dice.randbytes(99),
    "PNG": lambda dice: b"\x89PNG\r\n\x1a\n" + dice.randbytes(99),
    "tar": _tar,
    "UTF-16": lambda dice: good_file(dice).decode().encode("utf-16"),
    "UTF-32": lambda dice: good_file(dice).decode().encode("utf-32"),
    "zeros": lambda dice: bytes(dice.randint(10, 10_000)),
    "an error page": lambda dice: b"<!DOCTYPE html><title>404</title>" + dice.randbytes(9).hex().encode(),
    "a Git LFS pointer": lambda dice: b"version https://git-lfs.github.com/spec/v1\noid sha256:" + dice.randbytes(32),
}  # fmt: skip
for _name, _data in FOREIGN.items():
    _file(f"other: {_name}", _data, file_kind="not-jsonl")


def _bomb(pack: Callable[[bytes], bytes]) -> Callable[[random.Random], bytes]:
    return lambda dice: pack(joined(good_lines(dice, 2)) + b"\n" * (80 * MEGABYTE))


def _huge_window(dice: random.Random) -> bytes:
    engine = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 30})
    return engine.compress(good_file(dice)) + engine.flush()


def _damaged(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes(byte ^ 0xFF for byte in data[middle : middle + 8]) + data[middle + 8 :]


PACKED: dict[str, tuple[str, str, Callable[[random.Random], bytes]]] = {
    "gzip cut off": (".gz", "compression", lambda dice: packed(good_file(dice))[: -dice.randint(1, 60)]),
    "gzip damaged": (".gz", "compression", lambda dice: _damaged(packed(good_file(dice)))),
    "gzip and rubbish": (".gz", "compression", lambda dice: packed(good_file(dice)) + b"rubbish"),
    "gzip head alone": (".gz", "compression", lambda dice: packed(good_file(dice))[:10]),
    "plain named gzip": (".gz", "compression", good_file),
    "gzip named plain": ("", "compression", lambda dice: packed(good_file(dice))),
    "Zstandard named gzip": (".gz", "compression", lambda dice: zstd.compress(good_file(dice))),
    "gzip twice": (".gz", "compression", lambda dice: packed(packed(good_file(dice)))),
    "tar in gzip": (".gz", "not-jsonl", lambda dice: packed(_tar(dice))),
    "ZIP named gzip": (".gz", "not-jsonl", lambda dice: _zip(dice, "quest.jsonl")),
    "Parquet in Zstandard": (".zst", "not-jsonl", lambda dice: zstd.compress(b"PAR1" + dice.randbytes(99))),
    "gzip bomb": (".gz", "too-large", _bomb(packed)),
    "Zstandard bomb": (".zst", "too-large", _bomb(zstd.compress)),
    "Zstandard cut off": (".zst", "compression", lambda dice: zstd.compress(good_file(dice))[: -dice.randint(1, 60)]),
    "Zstandard and rubbish": (".zst", "compression", lambda dice: zstd.compress(good_file(dice)) + b"rubbish"),
    "a window of 1 GiB": (".zst", "compression", _huge_window),
}
for _name, (_suffix, _kind, _data) in PACKED.items():
    _file(f"packed: {_name}", _data, suffix=f".jsonl{_suffix}", file_kind=_kind)


def _endless(name: str, make_row: Callable[[random.Random], dict[str, Any]]) -> None:
    """A row that the reader takes and that is too long for every hero, among many good ones."""

    def maker(dice: random.Random, folder: Path, stem: str) -> Case:
        good = good_lines(dice)
        place = dice.randint(0, ROWS)
        lines = [*good[:place], encoded(make_row(dice)), *good[place:]]
        return Case(path=_write(folder / f"{stem}.jsonl", joined(lines)), taken=ROWS + 1, endless=(place + 1,))

    KINDS[name] = maker


_endless("long: a million of one character", lambda dice: asked(problem(dice)[0], "x" * 1_000_000))
_endless("long: a megabyte of emoji", lambda dice: {"text": "👩‍👩‍👧" * 50_000 + problem(dice)[1]})
_endless("long: a hundred thousand words", lambda dice: asked("go " * 100_000, problem(dice)[1]))
_endless("long: twenty thousand turns", lambda dice: {"messages": asked(*problem(dice))["messages"] * 10_000})


def _very_long_line(dice: random.Random, folder: Path, stem: str) -> Case:
    good, path = good_lines(dice), folder / f"{stem}.jsonl"
    with open(path, "wb") as file:
        file.write(joined(good[:5]) + b'{"text": "')
        for _ in range(500):
            file.write(b"x" * 10**6)
        file.write(b'"}\n' + joined(good[5:]))
    return Case(path=path, taken=ROWS, refused=((6, "too-long-line"),))


LARGE["large: a line of 500 MB"] = _very_long_line


# Files that are no plain files, and names that are no plain names


@kind("file: a link")
def _link(dice: random.Random, folder: Path, stem: str) -> Case:
    path = folder / f"{stem}.jsonl"
    path.symlink_to("/etc/hostname")
    return Case(path=path, file_kind="not-a-file")


@kind("file: a link to nothing")
def _broken_link(dice: random.Random, folder: Path, stem: str) -> Case:
    path = folder / f"{stem}.jsonl"
    path.symlink_to(folder / f"nowhere-{dice.random()}")
    return Case(path=path, file_kind="not-a-file")


@kind("file: a pipe")
def _pipe(dice: random.Random, folder: Path, stem: str) -> Case:
    path = folder / f"{stem}.jsonl"
    os.mkfifo(path)
    return Case(path=path, file_kind="not-a-file")


@kind("file: a folder")
def _folder(dice: random.Random, folder: Path, stem: str) -> Case:
    path = folder / f"{stem}.jsonl"
    path.mkdir()
    return Case(path=path, file_kind="not-a-file")


@kind("file: nobody may read it")
def _unreadable(dice: random.Random, folder: Path, stem: str) -> Case:
    path = _write(folder / f"{stem}.jsonl", good_file(dice))
    path.chmod(0)
    if os.access(path, os.R_OK):  # root may read everything
        return Case(path=path, taken=ROWS)
    return Case(path=path, file_kind="unreadable")


@kind("file: a hole of 2 GiB")
def _hole(dice: random.Random, folder: Path, stem: str) -> Case:
    path = _write(folder / f"{stem}.jsonl", good_file(dice))
    os.truncate(path, 2 * 1024**3)
    return Case(path=path, file_kind="not-jsonl")


@kind("file: a hole of 40 GB")
def _large_hole(dice: random.Random, folder: Path, stem: str) -> Case:
    path = folder / f"{stem}.jsonl"
    path.touch()
    os.truncate(path, 40 * 10**9)
    return Case(path=path, file_kind="not-jsonl")


NAMES: dict[str, Callable[[str], bytes]] = {
    "a newline": lambda stem: f"{stem}\nx.jsonl".encode(),
    "no UTF-8": lambda stem: stem.encode() + b"\xff\xfe.jsonl",
    "a dash in front": lambda stem: f"-rf {stem}.jsonl".encode(),
    "dots": lambda stem: f"{stem}..%2e%2e.jsonl".encode(),
    "markup": lambda stem: f"{stem}<b>&amp;'\".jsonl".encode(),
    "terminal escapes": lambda stem: f"{stem}\x1b[31m.jsonl".encode(),
    "right to left": lambda stem: f"{stem}\u202elnosj.jsonl".encode(),
    "200 bytes": lambda stem: f"{stem}{'n' * (194 - len(stem))}.jsonl".encode(),
    "255 bytes": lambda stem: f"{stem}{'n' * (249 - len(stem))}.jsonl".encode(),
}


def _named(name: str, make_name: Callable[[str], bytes]) -> None:
    def maker(dice: random.Random, folder: Path, stem: str) -> Case:
        return Case(path=_write(folder / os.fsdecode(make_name(stem)), good_file(dice)), taken=ROWS)

    KINDS[f"name: {name}"] = maker


for _name, _made_name in NAMES.items():
    _named(_name, _made_name)
