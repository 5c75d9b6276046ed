"""Storage that is a folder here: a mounted NAS, another disk, a `file://` URL. No Django."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, TypeVar

from realm.checkpoints.sidecar import CHUNK_BYTES
from realm.disk import durable, full
from vault.errors import NotFound, Refused, Unreachable
from vault.strongholds.backend import Listing, check_path
from vault.strongholds.deadline import within

T = TypeVar("T")


class FolderBackend:
    can_append = True

    def __init__(self, name: str, root: Path, *, seconds: float = 30.0) -> None:
        """`seconds`: how long one call may take; a NAS may never answer."""
        self.name, self._root, self._seconds = name, root, seconds

    def listing(self, folder: str) -> Listing:
        return self._do(lambda: self._listing(folder))

    def _listing(self, folder: str) -> Listing:
        if not self._root.is_dir():
            raise Unreachable(f"{self.name}: there is no folder {self._root}")
        found = Listing()
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(self._inside(folder)) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    found.folders.append(entry.name)
                elif entry.is_file(follow_symlinks=False):
                    found.files[entry.name] = entry.stat(follow_symlinks=False).st_size
        return found

    def size(self, path: str) -> int | None:
        return self._do(lambda: self._size(path))

    def _size(self, path: str) -> int | None:
        try:
            found = os.stat(self._inside(path), follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    def read(self, path: str) -> Iterator[bytes]:
        file = self._do(lambda: self._open(path))
        try:
            while piece := self._do(lambda: file.read(CHUNK_BYTES)):
                yield piece
        finally:
            self._leave(file)

    def read_at(self, path: str, offset: int, length: int) -> bytes:
        def perform() -> bytes:
            with self._open(path) as file:
                file.seek(offset)
                return file.read(length)

        return self._do(perform)

    def _open(self, path: str) -> BinaryIO:
        # Who swaps the file for a pipe meanwhile shall not make anybody wait for ever.
        handle = os.open(self._inside(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise Refused(f"{self.name}: {path} is no regular file")
        return open(handle, "rb")

    def write(self, path: str, pieces: Iterator[bytes], *, append: bool = False) -> None:
        file = self._do(lambda: self._create(path, append=append))
        try:
            for piece in pieces:
                self._do(lambda data=piece: file.write(data))  # type: ignore[misc]
            self._do(lambda: _sync(file))
        finally:
            self._leave(file)
        self._do(lambda: durable.sync_folder(self._inside(path).parent))

    def _create(self, path: str, *, append: bool) -> BinaryIO:
        if not self._root.is_dir():
            raise Unreachable(f"{self.name}: there is no folder {self._root}")
        target = self._inside(path)
        self._make_folders(target.parent)
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | (os.O_APPEND if append else os.O_TRUNC)
        return open(os.open(target, flags, 0o644), "wb")

    def _make_folders(self, folder: Path) -> None:
        missing = [each for each in (folder, *folder.parents) if not each.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        for each in missing:
            durable.sync_folder(each.parent)

    def rename(self, old: str, new: str) -> None:
        def perform() -> None:
            target = self._inside(new)
            os.replace(self._inside(old), target)
            durable.sync_folder(target.parent)

        self._do(perform)

    def remove(self, path: str) -> None:
        def perform() -> None:
            with suppress(FileNotFoundError, NotADirectoryError):
                target = self._inside(path)
                target.unlink()
                durable.sync_folder(target.parent)

        self._do(perform)

    def prune(self, folder: str) -> None:
        def perform() -> None:
            place, root = self._inside(folder), self._root.resolve()
            with suppress(OSError):  # of one that is not empty, or gone
                while place != root:
                    place.rmdir()
                    place = place.parent

        self._do(perform)

    def free_bytes(self) -> int | None:
        def look() -> int:
            found = os.statvfs(self._root)
            return found.f_bavail * found.f_frsize

        return self._do(look)

    def _inside(self, path: str) -> Path:
        """Below the root and behind no link, which could lead anywhere. Raises Refused."""
        root = self._root.resolve()
        if not path:
            return root
        target = root / check_path(path)
        if target.parent.resolve() != target.parent or target.is_symlink():
            raise Refused(f"{self.name}: {path} lies behind a link, which is not followed")
        return target

    def _leave(self, file: BinaryIO) -> None:
        """What it could not write was said before."""
        with suppress(Unreachable, Refused):
            self._do(file.close)

    def _do(self, work: Callable[[], T]) -> T:
        try:
            return within(self._seconds, work, who=self.name)
        except FileNotFoundError as error:
            raise NotFound(f"{self.name}: {error.filename} is not there") from error
        except OSError as error:
            if full.is_full(error):
                raise Refused(f"{self.name}: the volume of {self._root} is full") from error
            raise Unreachable(f"{self.name}: {error.strerror or error}") from error


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
