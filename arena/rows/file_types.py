"""Files that are no JSONL by their first bytes, and what to do with each. Standard library only."""

from __future__ import annotations

HEAD_BYTES = 512
"""As many first bytes as are looked at."""

_WRITE_JSONL = "write its rows as one JSON object a line"
# (offset, bytes, what it is, what to do)
_FOREIGN: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"PAR1", "a Parquet file", f"{_WRITE_JSONL}, for example with datasets' to_json"),
    (0, b"ARROW1", "an Arrow file", f"{_WRITE_JSONL}, for example with datasets' to_json"),
    (0, b"SQLite format 3\0", "a SQLite database", _WRITE_JSONL),
    (0, b"%PDF-", "a PDF document", f"take its text out and {_WRITE_JSONL}"),
    (0, b"\x89HDF", "an HDF5 file", _WRITE_JSONL),
    (0, b"\x93NUMPY", "a NumPy array", _WRITE_JSONL),
    (0, b"GGUF", "a GGUF model", "models do not belong in the inbox"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "unpack it and drop the .jsonl inside"),
    (0, b"Rar!\x1a\x07", "a RAR archive", "unpack it and drop the .jsonl inside"),
    (0, b"BZh", "compressed with bzip2", "unpack it, or compress it with gzip or zstd"),
    (0, b"\xfd7zXZ\0", "compressed with xz", "unpack it, or compress it with gzip or zstd"),
    (0, b"\x04\x22\x4d\x18", "compressed with lz4", "unpack it, or compress it with gzip or zstd"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document", f"save it as text and {_WRITE_JSONL}"),
    (0, b"\x89PNG", "an image", "only text can be trained on"),
    (0, b"\xff\xd8\xff", "an image", "only text can be trained on"),
    (0, b"\x7fELF", "a program", "only text can be trained on"),
    (257, b"ustar", "a tar archive", "unpack it and drop the .jsonl inside"),
    (0, b"version https://git-lfs", "a Git LFS pointer, not the data itself", "fetch the data with `git lfs pull`"),
    (0, b"\xff\xfe\0\0", "UTF-32 text", "save it as UTF-8"),
    (0, b"\0\0\xfe\xff", "UTF-32 text", "save it as UTF-8"),
    (0, b"\xff\xfe", "UTF-16 text", "save it as UTF-8"),
    (0, b"\xfe\xff", "UTF-16 text", "save it as UTF-8"),
    (0, b"\0\0\0\0\0\0\0\0", "filled with zero bytes, as a copy that was cut short leaves it", "copy it again"),
)
_COMPRESSED = ((b"\x1f\x8b", "gzip"), (b"\x28\xb5\x2f\xfd", "Zstandard"))


def compression(head: bytes) -> str | None:
    """What `head` is compressed with, of the methods that quests may use."""
    if head[1:4] == b"\x2a\x4d\x18" and 0x50 <= head[0] <= 0x5F:  # a frame to skip, as pzstd begins its files
        return "Zstandard"
    return next((method for magic, method in _COMPRESSED if head.startswith(magic)), None)


def foreign(head: bytes) -> tuple[str, str] | None:
    """What a file that begins with `head` is, and what to do; None where it may be JSONL."""
    for offset, magic, what, remedy in _FOREIGN:
        if head.startswith(magic, offset):
            return what, remedy
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zip(head)
    if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return "a Python pickle, which is never opened here", _WRITE_JSONL
    if head[8:10] == b'{"' and 0 < int.from_bytes(head[:8], "little") < 2**27:
        return "a safetensors file", "models do not belong in the inbox"
    if head.lstrip()[:14].lower().startswith((b"<!doctype html", b"<html")):
        return "an HTML page, perhaps what a failed download left", "download the data itself"
    return None


def _zip(head: bytes) -> tuple[str, str]:
    if b"[Content_Types].xml" in head or b"xl/" in head:
        return "an Office document, such as an .xlsx sheet", _WRITE_JSONL
    return "a ZIP archive", "unpack it and drop the .jsonl inside"
