"""The file of recorded spans: JSON lines, the last of which is written over while its activity lasts.

A torn line is the newest one and says nothing; everything before it stands.
"""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

from realm.disk import durable
from realm.disk.full import is_full
from realm.disk.regular_files import UnfitFile, read_regular
from watchtower.timeline.spans import Kind, Span

FILE = "timeline.jsonl"
KEPT_SECONDS = 26 * 3600.0
"""A day and a bit."""
LARGEST_BYTES = 4 * 1024 * 1024
"""From this size on the older half goes, however young it is."""
_LONGEST_WORDS = 300


class Records:
    """Of one writer; readers call `read`. What a full disk does not take is kept in memory and written once it does."""

    def __init__(self, path: Path) -> None:
        """Raises OSError."""
        self._path = path
        self.last: Span | None = None
        self._rewrite(read(path))

    def add(self, span: Span) -> None:
        """Begin a span behind the last one. Raises OSError, but for a full disk."""
        if self.last is not None:
            self._closed.append(self.last)
        self.replace(span)

    def replace(self, span: Span) -> None:
        """Say anew what the last span is. Raises OSError, but for a full disk."""
        self.last = span
        closed = b"".join(map(encode, self._closed))
        try:
            self._write(closed + encode(span))
        except OSError as error:
            if not is_full(error):
                raise
            return
        self._open_at += len(closed)
        self._closed.clear()

    def forget(self, before: float) -> None:
        """Leave out what ended before then, and half of what is left where the file is too large. Raises OSError."""
        if self._closed:
            return  # what is not on the disk yet comes first
        spans = [span for span in read(self._path) if span.end >= before]
        self._rewrite(spans[len(spans) // 2 :] if self._open_at > LARGEST_BYTES else spans)

    def _write(self, data: bytes) -> None:
        handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        with open(handle, "wb", buffering=0) as file:
            file.seek(self._open_at)
            file.write(data)
            file.truncate()

    def _rewrite(self, spans: list[Span]) -> None:
        lines = [encode(span) for span in spans]
        durable.write_bytes(self._path, b"".join(lines), sync=False)
        self.last = spans[-1] if spans else None
        self._open_at = sum(map(len, lines[:-1]))
        self._closed: list[Span] = []


def encode(span: Span) -> bytes:
    told = {"from": round(span.start, 1), "until": round(span.end, 1), "kind": span.kind}
    words = {"why": span.why, "quest": span.quest, "battle": span.battle}
    told |= {key: text[:_LONGEST_WORDS] for key, text in words.items() if text}
    return json.dumps(told).encode() + b"\n"


def read(path: Path) -> list[Span]:
    """In the order of recording; empty where nobody recorded. A line that is none is passed over."""
    try:
        data = read_regular(path, most_bytes=2 * LARGEST_BYTES)
    except (OSError, UnfitFile):
        return []
    return [span for line in data.split(b"\n") if (span := _decoded(line))]


def _decoded(line: bytes) -> Span | None:
    try:
        told: Any = json.loads(line)
        start, end = float(told["from"]), float(told["until"])
        if not (math.isfinite(start) and math.isfinite(end) and start <= end):
            return None
        words = {key: str(told.get(key, "")) for key in ("why", "quest", "battle")}
        return Span(kind=Kind(told["kind"]), start=start, end=end, **words)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
        return None
