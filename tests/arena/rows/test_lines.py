"""Quest files as lines: offsets, digests, compression, limits, and what is told of files that are no JSONL."""

import gzip
import hashlib
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from backports import zstd

from arena.rows import decompress
from arena.rows.limits import Limits
from arena.rows.lines import content_digest, is_quest_name, open_quest, stem_of, suffix_of
from arena.rows.model import UnreadableQuest

ROW = b'{"prompt": "a", "completion": "b"}\n'


def contents(path: Path, limits: Limits = Limits()) -> list[bytes | None]:  # noqa: B008
    with open_quest(path, limits) as reader:
        return [line.data for line in reader]


def write(tmp_path: Path, name: str, data: bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path


def with_window(data: bytes, log: int) -> bytes:
    return (
        zstd.compress(data, options={zstd.CompressionParameter.window_log: log}) if log < 28 else _streamed(data, log)
    )


def _streamed(data: bytes, log: int) -> bytes:
    engine = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: log})
    return engine.compress(data) + engine.flush()


@pytest.mark.parametrize(
    ("name", "stem", "suffix"),
    [
        ("a.jsonl", "a", ".jsonl"),
        ("A.JSONL", "A", ".jsonl"),
        ("a.b.jsonl.gz", "a.b", ".jsonl.gz"),
        ("a.Jsonl.ZST", "a", ".jsonl.zst"),
        ("a.json", "a.json", None),
        ("a.gz", "a.gz", None),
    ],
)
def test_names_of_quests(name: str, stem: str, suffix: str | None) -> None:
    assert (stem_of(name), suffix_of(name), is_quest_name(name)) == (stem, suffix, suffix is not None)


PACKERS: dict[str, Callable[[bytes], bytes]] = {"jsonl": bytes, "jsonl.gz": gzip.compress, "jsonl.zst": zstd.compress}


@pytest.mark.parametrize("suffix", PACKERS)
def test_offsets_and_digest_are_of_the_decompressed_content(tmp_path: Path, suffix: str) -> None:
    content = b"\xef\xbb\xbf" + ROW + b"\n" + b"x\r\n" + ROW * 20_000 + b"last, without a newline"
    path = write(tmp_path, f"quest.{suffix}", PACKERS[suffix](content))
    with open_quest(path) as reader:
        whole = content.split(b"\n")
        for number, line in enumerate(reader, start=1):
            assert line.data
            assert line.number == number + (number > 1)  # the second line is empty
            assert whole[line.number - 1].removeprefix(b"\xef\xbb\xbf") == line.data
            assert content[line.offset :].startswith(line.data)
        assert line.number == 20_004
        assert reader.size_bytes == len(content)
        assert reader.sha256 == content_digest(path) == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("suffix", ["jsonl.gz", "jsonl.zst"])
def test_several_members_are_one_file(tmp_path: Path, suffix: str) -> None:
    pack = PACKERS[suffix]
    data = pack(ROW) + pack(b"") + pack(ROW[:10]) + pack(ROW[10:])
    assert contents(write(tmp_path, f"quest.{suffix}", data)) == [ROW[:-1]] * 2


def test_padding_behind_a_gzip_member_is_passed_over(tmp_path: Path) -> None:
    data = gzip.compress(ROW, mtime=0) + b"\0" * 700_000
    assert contents(write(tmp_path, "quest.jsonl.gz", data)) == [ROW[:-1]]


def test_a_long_line_is_skipped_and_the_next_one_read(tmp_path: Path) -> None:
    data = ROW + b"x" * 2_000_000 + b"\n" + ROW
    found = contents(write(tmp_path, "q.jsonl", data), Limits(largest_line_bytes=100_000))
    assert found == [ROW[:-1], None, ROW[:-1]]


@pytest.mark.parametrize("blank", [b"\n", b" \n", b"\r\n"])
def test_blank_lines_are_counted(tmp_path: Path, blank: bytes) -> None:
    content = blank * 300_000 + b"  x\n" + blank * 300_000 + ROW
    with open_quest(write(tmp_path, "q.jsonl", content)) as reader:
        spoken = [(line.number, line.offset, line.data) for line in reader if line.data and not line.data.isspace()]
    at = len(blank) * 300_000
    assert spoken == [(300_001, at, b"  x"), (600_002, 2 * at + 4, ROW[:-1])]


@pytest.mark.parametrize("size", [39, 40, 41])
def test_the_limit_is_the_longest_line_that_is_read(tmp_path: Path, size: int) -> None:
    (line,) = contents(write(tmp_path, "q.jsonl", b"x" * size), Limits(largest_line_bytes=40))
    assert (line is None) == (size > 40)


def a_tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        member = tarfile.TarInfo("quest.jsonl")
        member.size = len(ROW)
        tar.addfile(member, io.BytesIO(ROW))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "kind", "told"),
    [
        (
            "q.jsonl.gz",
            gzip.compress(ROW, mtime=0)[:-4],
            "compression",
            "is cut off: its gzip stream ends in the middle; copy",
        ),
        ("q.jsonl.zst", zstd.compress(ROW * 99)[:-3], "compression", "is cut off: its Zstandard stream ends"),
        ("q.jsonl.gz", gzip.compress(ROW, mtime=0)[:-8] + b"12345678", "compression", "is damaged: its gzip stream"),
        ("q.jsonl.gz", gzip.compress(ROW, mtime=0) + b"junk", "compression", "is damaged: its gzip stream"),
        ("q.jsonl.zst", zstd.compress(ROW) + b"junk", "compression", "is damaged: its Zstandard stream"),
        ("q.jsonl.zst", with_window(ROW * 9, 30), "compression", "asks for a window over 128 MiB; compress it without"),
        (
            "q.jsonl",
            gzip.compress(ROW, mtime=0),
            "compression",
            "is compressed with gzip, its name says otherwise; rename it",
        ),
        ("q.jsonl.gz", ROW, "compression", "is not compressed with gzip, its name says otherwise; rename it to end in"),
        ("q.jsonl.gz", zstd.compress(ROW), "compression", "rename it to end in .jsonl.zst"),
        ("q.jsonl.gz", gzip.compress(gzip.compress(ROW, mtime=0), mtime=0), "compression", "is compressed twice"),
        ("q.jsonl.gz", a_tar(), "not-jsonl", "is a tar archive; unpack it"),
        (
            "q.jsonl.gz",
            gzip.compress(b"PAR1" + bytes(20), mtime=0),
            "not-jsonl",
            "is a Parquet file; write its rows as",
        ),
        ("q.jsonl", b"PK\x03\x04" + bytes(26) + b"[Content_Types].xml", "not-jsonl", "such as an .xlsx sheet"),
        ("q.jsonl", b"PK\x03\x04" + bytes(26) + b"x.jsonl", "not-jsonl", "is a ZIP archive; unpack it"),
        ("q.jsonl", ROW.decode().encode("utf-16"), "not-jsonl", "is UTF-16 text; save it as UTF-8"),
        ("q.jsonl", ROW.decode().encode("utf-32"), "not-jsonl", "is UTF-32 text; save it as UTF-8"),
        ("q.jsonl", b"SQLite format 3\0", "not-jsonl", "is a SQLite database"),
        ("q.jsonl", (24).to_bytes(8, "little") + b'{"a":{}}', "not-jsonl", "is a safetensors file"),
        ("q.jsonl", b"%PDF-1.7", "not-jsonl", "is a PDF document"),
        ("q.jsonl", b"\x80\x04\x95", "not-jsonl", "is a Python pickle, which is never opened here"),
        ("q.jsonl", b"version https://git-lfs.github.com/spec/v1\n", "not-jsonl", "is a Git LFS pointer"),
        ("q.jsonl", b"\n<!DOCTYPE html>", "not-jsonl", "is an HTML page"),
        ("q.jsonl", bytes(100), "not-jsonl", "is filled with zero bytes"),
    ],
)
def test_what_is_no_quest_is_named(tmp_path: Path, name: str, data: bytes, kind: str, told: str) -> None:
    with pytest.raises(UnreadableQuest) as refused:
        contents(write(tmp_path, name, data))
    assert refused.value.kind == kind
    assert str(refused.value).startswith(name)
    assert told in str(refused.value)


@pytest.mark.parametrize("suffix", ["jsonl.gz", "jsonl.zst"])
def test_a_bomb_is_given_up_at_the_limit(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decompress, "RATIO_COUNTS_FROM", 1_000_000)
    path = write(tmp_path, f"q.{suffix}", PACKERS[suffix](b"{}\n" * 3_000_000))
    with (
        pytest.raises(UnreadableQuest, match="inflates to more than 200 times its size") as refused,
        open_quest(path) as reader,
    ):
        for _ in reader:
            pass
    assert refused.value.kind == "too-large"
    assert reader.size_bytes < 2_000_000
    assert len(contents(path, Limits(largest_ratio=100_000))) == 3_000_000


@pytest.mark.parametrize("suffix", PACKERS)
def test_the_largest_size_holds_for_every_form(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path, f"q.{suffix}", PACKERS[suffix](ROW * 100))
    with pytest.raises(UnreadableQuest, match="holds more than 3e-06 GB; split it") as refused:
        contents(path, Limits(largest_bytes=3000))
    assert refused.value.kind == "too-large"


def test_a_line_without_an_end_gives_the_file_up(tmp_path: Path) -> None:
    path = write(tmp_path, "q.jsonl", ROW + b" " * 1_000_000)
    with pytest.raises(UnreadableQuest, match=r"line 2 of q\.jsonl goes on for more than") as refused:
        contents(path, Limits(largest_line_bytes=1000))
    assert refused.value.kind == "too-long-line"


def read_while_it_changes(path: Path, change: int) -> None:
    with open_quest(path) as reader:
        for line in reader:
            if line.number == 1:
                data = path.read_bytes()
                path.write_bytes(data[:change] if change < 0 else data + b"\n" * change)


@pytest.mark.parametrize("change", [-40_000, +40_000])
def test_a_file_that_changes_its_size_while_it_is_read_is_told(tmp_path: Path, change: int) -> None:
    path = write(tmp_path, "q.jsonl", ROW * 40_000)
    with pytest.raises(UnreadableQuest, match="changed its size while it was read") as refused:
        read_while_it_changes(path, change)
    assert refused.value.kind == "changed"


def test_names_that_are_no_text_can_be_told(tmp_path: Path) -> None:
    name = b"q\xff\n.jsonl".decode("utf-8", "surrogateescape")
    with pytest.raises(UnreadableQuest) as refused:
        contents(tmp_path / name)
    str(refused.value).encode()
