"""Files of the fine-tuning API: kept in the world, looked at by the reader that gatekeepers and trainer use."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from django.core.files.uploadedfile import TemporaryUploadedFile

from arena.rows.formats import load_declared, registry
from arena.rows.lines import SUFFIXES, suffix_of
from arena.rows.model import Refusal, UnreadableQuest
from arena.rows.parse import read_rows
from realm.disk import durable
from realm.world import World
from watchtower.openai_api.errors import ApiError, not_found
from watchtower.openai_api.records import StoredFile
from watchtower.openai_api.sizes import LARGEST_BYTES

FINE_TUNE, RESULTS = "fine-tune", "fine-tune-results"
LOOKED_AT_ROWS = 100
"""Of a file, when it comes; the gatekeepers look at every row once a job trains on it."""
LEAST_EXPIRY_SECONDS, MOST_EXPIRY_SECONDS = 3600, 30 * 24 * 3600
_LONGEST_NAME = 255


@dataclass(frozen=True, kw_only=True)
class Upload:
    """What came, under a temporary name on the world's own file system."""

    file: TemporaryUploadedFile
    purpose: str
    expiry_seconds: int | None = None


def keep(world: World, upload: Upload) -> StoredFile:
    """The record of a file that is kept from now on. Raises ApiError for one that no job could train on, OSError."""
    sweep(world)
    _check(world, upload)
    file_id, size_bytes = StoredFile.new_id(), upload.file.size or 0
    content = f"{file_id}{suffix_of(upload.file.name or '') or SUFFIXES[0]}"
    temp = Path(upload.file.temporary_file_path())
    named = temp.with_name(f"{durable.TEMP_PREFIX}{content}")
    durable.rename(temp, named)
    try:
        _check_rows(world, named, _shown(upload.file.name))
        durable.sync_file(named)
        durable.move(named, world.openai_files / content)
    except BaseException:
        named.unlink(missing_ok=True)
        raise
    kept = StoredFile(
        id=file_id, filename=_shown(upload.file.name), purpose=upload.purpose, content=content, size_bytes=size_bytes
    )
    return _write(world, kept, upload.expiry_seconds)


def _write(world: World, kept: StoredFile, expiry_seconds: int | None) -> StoredFile:
    if expiry_seconds:
        kept = StoredFile(**{**vars(kept), "expires_at": int(kept.created) + expiry_seconds})
    kept.write(world)
    return kept


def _check(world: World, upload: Upload) -> None:
    if upload.purpose != FINE_TUNE:
        words = f"purpose: files are taken for {FINE_TUNE!r} alone, not for {upload.purpose[:40]!r}"
        raise ApiError(words, param="purpose", code="invalid_value")
    size_bytes, expiry = upload.file.size or 0, upload.expiry_seconds
    if not size_bytes:
        raise ApiError("file: it is empty; one JSON object a line is expected", param="file", code="invalid_file")
    if size_bytes > LARGEST_BYTES:
        raise ApiError(too_large(), status=413, param="file", code="file_too_large")
    if expiry is not None and not LEAST_EXPIRY_SECONDS <= expiry <= MOST_EXPIRY_SECONDS:
        words = f"expires_after: seconds must lie between {LEAST_EXPIRY_SECONDS} and {MOST_EXPIRY_SECONDS}"
        raise ApiError(words, param="expires_after", code="invalid_value")


def too_large() -> str:
    return f"file: a file holds at most {LARGEST_BYTES // 1024**2} MB; put larger ones into the inbox"


def _check_rows(world: World, path: Path, name: str) -> None:
    """Bad rows among good ones are the gatekeepers' to judge, by the settings. Raises ApiError."""
    try:
        rows = list(islice(read_rows(path, registry(load_declared(world))), LOOKED_AT_ROWS))
    except UnreadableQuest as error:
        words = str(error).replace(path.name, name)
        raise ApiError(f"file: {words}", param="file", code="invalid_file") from error
    if not rows:
        raise ApiError("file: it has no rows; one JSON object a line is expected", param="file", code="invalid_file")
    if all(isinstance(row, Refusal) for row in rows):
        first = rows[0]
        assert isinstance(first, Refusal)
        raise ApiError(f"file: line {first.line}: {first.reason}", param="file", code="invalid_file")


def _shown(name: str | None) -> str:
    plain = "".join(character for character in re.split(r"[/\\]", name or "")[-1] if character.isprintable())
    return plain[:_LONGEST_NAME] or "file"


def get(world: World, file_id: str) -> StoredFile:
    """Raises ApiError."""
    found = StoredFile.read(world, file_id)
    if found is None or _has_expired(found) or not found.path(world).is_file():
        raise not_found(f"File object: {file_id[:80]}")
    return found


def listed(world: World, *, purpose: str | None, newest_first: bool) -> list[StoredFile]:
    found = [file for file in StoredFile.all(world) if not _has_expired(file)]
    chosen = [file for file in found if purpose in (None, file.purpose)]
    return chosen if newest_first else chosen[::-1]


def delete(world: World, file: StoredFile) -> None:
    """Jobs that were made with it keep their own rows."""
    file.forget(world)
    file.path(world).unlink(missing_ok=True)


def sweep(world: World) -> None:
    """Delete what has expired."""
    for file in StoredFile.all(world):
        if _has_expired(file):
            delete(world, file)


def _has_expired(file: StoredFile) -> bool:
    return file.expires_at is not None and file.expires_at <= time.time()
