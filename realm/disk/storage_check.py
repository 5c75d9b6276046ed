"""What a folder's file system does of all that the realm relies on: tried there, before anything is moved to it.

Standard library only.
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from realm.disk import durable, locks

SLOW_SECONDS = 0.5


class Unfit(Exception):
    """One sentence: what the file system does not do."""


def try_out(folder: Path) -> list[str]:
    """What is to be known of it, one sentence each. Raises Unfit. What is tried leaves nothing behind."""
    try:
        scratch = folder / f"{durable.TEMP_PREFIX}storage-check-{secrets.token_hex(4)}"
        scratch.mkdir()
    except OSError as error:
        raise Unfit(f"{folder} takes no folder: {error.strerror}") from error
    try:
        return _tried(scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _tried(scratch: Path) -> list[str]:
    file = scratch / "file"
    _must("writes and syncs no file", lambda: durable.write_bytes(file, b"1"))
    started = time.monotonic()
    _must("does not replace a file by renaming", lambda: durable.write_bytes(file, b"22"))
    seconds = time.monotonic() - started
    _must("does not append to a file", lambda: durable.append_line(file, b"3"))
    if file.read_bytes() != b"223\n":
        raise Unfit(f"{scratch.parent} gives back other bytes than were written")
    _must("cannot name a new file without replacing another", lambda: durable.create_bytes(scratch / "new", b""))
    _must("renames no folder", lambda: _make_folder(scratch / "folder"))
    _must("locks no file (flock)", lambda: _lock(file))
    told = [] if _syncs_folders(scratch) else ["syncs no folder: after a power loss of its server a name may be old"]
    if seconds >= SLOW_SECONDS:
        told.append(f"takes {seconds:.1f} s for a small file: training goes on meanwhile, saves come later")
    return [f"{scratch.parent} {each}" for each in told]


def _must(what: str, action: Callable[[], object]) -> None:
    try:
        action()
    except (OSError, NotImplementedError) as error:
        raise Unfit(f"the file system there {what}: {error}") from error


def _make_folder(path: Path) -> None:
    with durable.new_folder(path) as folder:
        (folder / "file").write_bytes(b"")


def _lock(file: Path) -> None:
    with locks.held(file, seconds=0.0):
        if not locks.is_held(file):
            raise OSError("a lock that is held is not seen")


def _syncs_folders(folder: Path) -> bool:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in durable.NO_FOLDER_SYNC:
            raise
        return False
    finally:
        os.close(handle)
    return True
