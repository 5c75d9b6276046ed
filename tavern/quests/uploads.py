"""Files that a browser sends become quests: slice by slice with scripts, as one form without.

The web server hands a request's body to Django in memory, so a large file comes in slices of a few megabytes, each
appended to a temp file inside the world; the last one makes it a quest.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from arena.gate.report import Wishes
from arena.profiles.quest_recipe import NO_RECIPE, OwnRecipe
from arena.queue import files as queue
from realm.disk.durable import TEMP_PREFIX
from realm.world import World
from tavern.quests import names

LARGEST_SLICE_BYTES = 16 * 1024**2
SPARE_BYTES = 256 * 1024**2
"""What an upload leaves free on the disk: the arena saves its checkpoints there."""
ABANDONED_SECONDS = 24 * 3600.0
_KEY = re.compile(r"[0-9a-f]{32}")


class RefusedUpload(ValueError):
    """One sentence for the player."""


class WrongPlace(ValueError):
    """The slice does not begin where the last one ended: `size` bytes are here."""

    def __init__(self, size: int) -> None:
        super().__init__(f"{size} bytes are here")
        self.size = size


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Where a file goes and how."""

    name: str
    priority: str
    hold: bool = False
    own: OwnRecipe = NO_RECIPE

    @property
    def wishes(self) -> Wishes:
        return Wishes(hold=self.hold, confirmed_rate=self.own.confirmed_rate)


def take_slice(world: World, key: str, data: bytes, *, offset: int, total: int, wanted: Wanted) -> Path | None:
    """Append a slice; the quest's file once it is whole. Raises RefusedUpload, WrongPlace, or OSError."""
    if not _KEY.fullmatch(key):
        raise RefusedUpload("The upload has no proper key; load the page again.")
    name = names.file_name(wanted.name)
    if not 0 <= offset <= offset + len(data) <= total:
        raise RefusedUpload(f"{names.shown(name)} has changed while it was sent; send it again.")
    temp = world.uploads / f"{TEMP_PREFIX}{key}"
    if offset == 0:
        _begin(world, temp, total)
    size = _append(temp, data, offset)
    if size < total:
        return None
    return _finish(world, temp, name, wanted)


def _begin(world: World, temp: Path, total: int) -> None:
    _sweep(world.uploads)
    if shutil.disk_usage(world.home).free < total + SPARE_BYTES:
        raise RefusedUpload("There is not enough room on the disk for this file; free some and send it again.")
    temp.unlink(missing_ok=True)
    os.close(os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))


def _sweep(folder: Path) -> None:
    """Delete what was given up: a page that was closed, a form whose server was killed."""
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            if time.time() - path.lstat().st_mtime > ABANDONED_SECONDS:
                path.unlink()


def _append(temp: Path, data: bytes, offset: int) -> int:
    """The file's size afterwards. What does not fit on the disk is cut off again."""
    try:
        size = temp.lstat().st_size
    except FileNotFoundError:
        raise WrongPlace(0) from None
    if size != offset:
        raise WrongPlace(size)
    with open_to_append(temp) as file:
        try:
            _write_all(file, data)
        except OSError:
            with suppress(OSError):
                file.truncate(offset)
            raise
    return size + len(data)


def open_to_append(temp: Path) -> FileIO:
    """Unbuffered: closing a buffered file would write the rest of what was cut off."""
    return open(os.open(temp, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW), "ab", buffering=0)


def _write_all(file: FileIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


def take_chunks(world: World, chunks: Iterable[bytes], *, wanted: Wanted) -> Path:
    """A whole file, some bytes at a time. Raises quest_names.BadName, or OSError."""
    name = names.file_name(wanted.name)
    temp = world.uploads / f"{TEMP_PREFIX}{secrets.token_hex(16)}"
    try:
        with open(os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as file:
            for chunk in chunks:
                file.write(chunk)
        return _finish(world, temp, name, wanted)
    finally:
        temp.unlink(missing_ok=True)


def _finish(world: World, temp: Path, name: str, wanted: Wanted) -> Path:
    os.chmod(temp, 0o644)
    return queue.take_upload(
        world, temp, name, priority=wanted.priority, wishes=wanted.wishes, recipe=wanted.own.encoded
    )


def pasted_lines(text: str) -> bytes:
    """What was pasted as JSONL. A single JSON array or object is laid out one value a line, each as it was written.

    Raises RefusedUpload for nothing, and for an array that is no JSON.
    """
    text = text.strip().removeprefix("\ufeff").replace("\r\n", "\n")
    if not text:
        raise RefusedUpload("Nothing was pasted: one JSON object a line is expected, or one JSON array of objects.")
    if text.startswith("["):
        return _joined(_elements(text))
    whole = _whole_object(text)
    return _joined([whole] if whole else text.split("\n"))


def _joined(rows: Iterable[str]) -> bytes:
    return "".join(f"{row}\n" for row in rows).encode("utf-8", "surrogatepass")


def _whole_object(text: str) -> str | None:
    """An object that was written over several lines; outside of texts a newline is only a blank in JSON."""
    with suppress(ValueError, RecursionError):
        _, end = json.JSONDecoder().raw_decode(text)
        if end == len(text):
            return text.replace("\n", " ").replace("\r", " ")
    return None


def _elements(text: str) -> list[str]:
    decoder, rows, at = json.JSONDecoder(), list[str](), _skip_blanks(text, 1)
    try:
        while text[at] != "]":
            _, end = decoder.raw_decode(text, at)
            rows.append(text[at:end].replace("\n", " ").replace("\r", " "))
            at = _skip_blanks(text, end)
            if text[at] not in ",]":
                raise ValueError(f"a comma is missing at character {at + 1}")
            at = _skip_blanks(text, at + 1) if text[at] == "," else at
    except (ValueError, RecursionError, IndexError) as error:
        expected = "one JSON object a line is expected, or one JSON array of objects"
        raise RefusedUpload(f"The array is no JSON ({error}): {expected}.") from error
    if text[at + 1 :].strip():
        raise RefusedUpload("Something stands behind the array: paste the array alone, or one JSON object a line.")
    if not rows:
        raise RefusedUpload("The array is empty: there is nothing to train on.")
    return rows


def _skip_blanks(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\n\r":
        at += 1
    return at
