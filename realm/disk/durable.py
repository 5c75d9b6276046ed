"""Everything durable is written here: temp name in the same folder, write, fsync, rename, fsync the folder.

An error deletes the temp and is raised. Where the folder's own fsync fails, the name is taken back before that is
raised: what was declared failed is shown to nobody as done. Standard library only.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import Any, BinaryIO

TEMP_PREFIX = ".tmp-"
_NO_HARD_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK})
NO_FOLDER_SYNC = frozenset({errno.EINVAL, errno.ENOTSUP})
"""Of fsync(2) on a folder, as of SMB; an error of the disk is another one."""
_NO_SUCH_RENAME = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP})
"""Of renameat2, where kernel or file system cannot rename without replacing."""
_AT_FDCWD, _RENAME_NOREPLACE = -100, 1  # linux/fcntl.h, linux/fs.h


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` survive a power loss; on a file system that syncs no folders its server does it."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in NO_FOLDER_SYNC:
            raise
    finally:
        os.close(handle)


def sync_file(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _taken_back(undo: Callable[[], object]) -> Iterator[None]:
    """Around the fsync of a folder that holds a new name; where it fails `undo` comes first, if the disk lets it."""
    try:
        yield
    except OSError:
        with suppress(OSError):
            undo()
        raise


def _temp_beside(path: Path) -> Path:
    return path.with_name(f"{TEMP_PREFIX}{path.name}-{secrets.token_hex(4)}")


def write_bytes(path: Path, data: bytes, *, mode: int = 0o644, sync: bool = True, via: Path | None = None) -> None:
    """Replace `path` by `data`, whole or not at all.

    `sync=False` is for heartbeats and other views that their writer makes anew. The temp file lies in the folder `via`
    of the same file system, where a killed writer must leave nothing beside `path`.
    """
    temp = _temp_beside(via / path.name if via else path)
    try:
        _write_new(temp, data, mode=mode, sync=sync)
        if not sync:
            os.replace(temp, path)
    except BaseException:
        temp.unlink(missing_ok=True)
        raise
    if sync:
        _replace_durably(temp, path)


def _replace_durably(temp: Path, path: Path) -> None:
    """Until its folder is synced what the file was keeps a name of its own, by which it comes back."""
    former = temp.with_name(f"{TEMP_PREFIX}former-{secrets.token_hex(8)}")
    try:
        undo = _way_back(path, former)
        os.replace(temp, path)
        with _taken_back(undo):
            sync_folder(path.parent)
    finally:
        temp.unlink(missing_ok=True)
        former.unlink(missing_ok=True)


def _way_back(path: Path, former: Path) -> Callable[[], object]:
    """None where the file system has no second names, or gives none to what is another user's."""
    try:
        os.link(path, former, follow_symlinks=False)
    except FileNotFoundError:
        return path.unlink
    except OSError:
        return lambda: None
    return lambda: os.replace(former, path)


def create_bytes(path: Path, data: bytes) -> None:
    """A new file, whole or not at all. Raises FileExistsError if `path` exists, be it since an instant."""
    temp = _temp_beside(path)
    try:
        _write_new(temp, data)
        _name_finally(temp, path)
    except BaseException:
        temp.unlink(missing_ok=True)
        raise
    with _taken_back(path.unlink):
        sync_folder(path.parent)


def _write_new(path: Path, data: bytes, *, mode: int = 0o644, sync: bool = True) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with open(handle, "wb") as file:
        file.write(data)
        file.flush()
        if sync:
            os.fsync(file.fileno())


def encode_json(value: Any) -> bytes:
    """The bytes that `write_json` writes; ValueError for NaN, infinity and lone surrogates."""
    return json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False).encode() + b"\n"


def write_json(path: Path, value: Any, *, mode: int = 0o644, sync: bool = True, via: Path | None = None) -> None:
    write_bytes(path, encode_json(value), mode=mode, sync=sync, via=via)


def rename(source: Path, target: Path) -> None:
    """Rename a file or folder within one file system; the caller syncs the folders, once for many.

    Raises FileExistsError if `target` exists, be it since an instant: nothing is ever overwritten.
    """
    try:
        _rename_without_replacing(source, target)
    except OSError as error:
        if error.errno not in _NO_SUCH_RENAME:
            raise
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from None
        os.rename(source, target)


def move(source: Path, target: Path) -> None:
    """Rename a file or folder within one file system; both folders are synced.

    Raises FileExistsError if `target` exists: nothing is ever overwritten by a move.
    """
    rename(source, target)
    with _taken_back(lambda: rename(target, source)):
        sync_folder(target.parent)
        if source.parent != target.parent:
            sync_folder(source.parent)


def copy(source: Path, target: Path) -> None:
    """Copy a file's content to `target`, whole or not at all.

    Raises FileExistsError if `target` exists, be it since an instant: nothing is ever overwritten by a copy.
    """
    temp = _temp_beside(target)
    try:
        shutil.copyfile(source, temp)
        sync_file(temp)
        _name_finally(temp, target)
    except BaseException:
        temp.unlink(missing_ok=True)
        raise
    with _taken_back(target.unlink):
        sync_folder(target.parent)


def _name_finally(temp: Path, target: Path) -> None:
    """Give a file its final name unless that name is taken: the kernel checks and names in one step."""
    try:
        os.link(temp, target)
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        _rename_without_replacing(temp, target)
    else:
        temp.unlink()


def _rename_without_replacing(source: Path, target: Path) -> None:
    """The standard library has no call for it.

    A reserved name (O_EXCL, then a rename onto it) would need no foreign call, but a kill in between leaves an empty
    file under the final name. Where the kernel cannot do this either, its OSError is raised.
    """
    names = os.fsencode(source), os.fsencode(target)
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), str(source), None, str(target))
    if renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_NOREPLACE):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(source), None, str(target))


@contextmanager
def new_file(final: Path) -> Iterator[BinaryIO]:
    """Yield a file to write to, for what is too long to be held in memory; on leaving it gets its name.

    `final` is whole or absent at every instant. Raises FileExistsError if `final` exists, be it since an instant.
    """
    temp = _temp_beside(final)
    try:
        with open(temp, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _name_finally(temp, final)
    except BaseException:
        temp.unlink(missing_ok=True)
        raise
    with _taken_back(final.unlink):
        sync_folder(final.parent)


@contextmanager
def new_folder(final: Path) -> Iterator[Path]:
    """Yield an empty temp folder beside `final`; on leaving, sync all in it and rename it into place.

    `final` is whole or absent at every instant. Raises FileExistsError if `final` exists.
    """
    temp = _temp_beside(final)
    temp.mkdir()
    try:
        yield temp
        for path in sorted(temp.rglob("*"), reverse=True):
            sync_folder(path) if path.is_dir() else sync_file(path)
        sync_folder(temp)
        if final.exists():
            raise FileExistsError(f"{final} exists already")
        os.rename(temp, final)
    except BaseException:
        shutil.rmtree(temp, ignore_errors=True)
        raise
    try:
        with _taken_back(lambda: os.rename(final, temp)):
            sync_folder(final.parent)
    except OSError:
        shutil.rmtree(temp, ignore_errors=True)
        raise


def append_line(path: Path, line: bytes) -> None:
    """Append one whole line and sync it; a reader may see a half line, a later reader never does.

    On an error, such as a disk that fills up in mid-line, the file is cut back to what it held before.
    """
    if b"\n" in line:
        raise ValueError("a line holds no newline")
    # Unbuffered: closing a buffered file would write the rest of a line that was cut back.
    with open(path, "ab", buffering=0) as file:
        length = file.seek(0, os.SEEK_END)
        try:
            _write_all(file, line + b"\n")
            os.fsync(file.fileno())
            if not length:  # its name may be new, too
                sync_folder(path.parent)
        except BaseException:
            with suppress(OSError):
                file.truncate(length)
            raise


def _write_all(file: FileIO, data: bytes) -> None:
    """A disk takes what it still has room for and says so only at the next write."""
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


def sweep_temps(folder: Path, *, older_than_seconds: float = 0.0, files_only: bool = False) -> list[Path]:
    """Delete what a killed writer left under a temp name; returns what was deleted.

    Where a writer may be at work, `older_than_seconds` spares what was changed since then; if the clock was set back,
    what seems to come from the future is spared too. At 0 nothing is spared. Links count as files.
    """
    leftovers = [path for path in folder.iterdir() if path.name.startswith(TEMP_PREFIX)]
    if older_than_seconds > 0:
        leftovers = [path for path in leftovers if _age_seconds(path) > older_than_seconds]
    if files_only:
        leftovers = [path for path in leftovers if not _is_folder(path)]
    for path in leftovers:
        shutil.rmtree(path) if _is_folder(path) else path.unlink(missing_ok=True)
    return leftovers


def _age_seconds(path: Path) -> float:
    """Below 0 for what was changed in the future, by the clock of now, and for what has gone meanwhile."""
    try:
        return time.time() - path.lstat().st_mtime
    except FileNotFoundError:
        return -1.0


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()
