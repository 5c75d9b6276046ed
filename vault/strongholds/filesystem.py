"""Storage behind any URL that fsspec knows: a bucket, WebDAV, a machine with SSH. No Django.

DirFileSystem lays the root before each path; it stops `..` on local folders only, so that paths are checked here first.
"""

from __future__ import annotations

import errno
import logging
import posixpath
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, TypeVar

import fsspec
from fsspec.implementations.dirfs import DirFileSystem

from realm.checkpoints.sidecar import CHUNK_BYTES
from vault.errors import NotFound, Refused, Unreachable, VaultError
from vault.strongholds.backend import BUCKET_SCHEMES, Listing, check_path
from vault.strongholds.deadline import within

T = TypeVar("T")
SLOWEST = 256 * 1024
"""Bytes a second that a call which sends many may take at worst."""
_APPENDING = frozenset({"memory", "sftp", "ssh"})
_WEBDAV = {"webdav": "http", "dav": "http", "webdavs": "https", "davs": "https"}


class UrlBackend:
    def __init__(self, name: str, url: str, options: Mapping[str, Any], *, seconds: float = 30.0) -> None:
        """`options` go to the file system of the URL's scheme. Raises Unreachable, or Refused for an unknown scheme."""
        self.name, self._url, self._seconds = name, url, seconds
        scheme = url.partition("://")[0]
        self.can_append, self._is_flat = scheme in _APPENDING, scheme in BUCKET_SCHEMES
        self._fs: DirFileSystem = self._do(lambda: _open(*_as_library(url, options)))

    def listing(self, folder: str) -> Listing:
        if folder:
            check_path(folder)
        found = Listing()
        try:
            entries = self._do(lambda: self._list_anew(folder))
        except NotFound:
            return found
        for entry in entries:
            name = posixpath.basename(entry["name"].rstrip("/"))
            if entry["name"].strip("/") == folder:
                continue  # of object stores: the folder's own mark
            if entry["type"] == "directory":
                found.folders.append(name)
            elif entry["type"] == "file":
                found.files[name] = int(entry["size"] or 0)
        return found

    def _list_anew(self, folder: str) -> list[dict[str, Any]]:
        self._fs.invalidate_cache()  # others write there, too
        found: list[dict[str, Any]] = self._fs.ls(folder, detail=True)
        return found

    def size(self, path: str) -> int | None:
        check_path(path)
        try:
            found = self._do(lambda: self._fs.info(path))
        except NotFound:
            return None
        return int(found["size"] or 0) if found["type"] == "file" else None

    def read(self, path: str) -> Iterator[bytes]:
        left = self.size(path)
        if left is None:
            raise NotFound(f"{self.name}: {path} is not there")
        file = self._do(lambda: self._fs.open(path, "rb"))
        try:  # never beyond the end: by SSH that is a hundred questions more
            while left and (piece := self._piece(file, min(left, CHUNK_BYTES))):
                yield piece
                left -= len(piece)
        finally:
            with suppress(VaultError):
                self._do(file.close)

    def _piece(self, file: Any, length: int) -> bytes:
        return self._do(lambda: _filled(file, length))

    def read_at(self, path: str, offset: int, length: int) -> bytes:
        def perform() -> bytes:
            with self._fs.open(path, "rb") as file:
                file.seek(offset)
                return _filled(file, length)

        check_path(path)
        return self._do(perform)

    def write(self, path: str, pieces: Iterator[bytes], *, append: bool = False) -> None:
        check_path(path)
        if not self._is_flat:
            self._do(lambda: self._fs.makedirs(posixpath.dirname(path), exist_ok=True))
        file = self._do(lambda: self._fs.open(path, "ab" if append else "wb"))
        sent = 0
        try:
            for piece in pieces:
                self._do(lambda data=piece: file.write(data))  # type: ignore[misc]
                sent += len(piece)
        except BaseException:
            with suppress(VaultError):  # what was sent of it is nothing, or goes on
                self._do(getattr(file, "discard", file.close))
            raise
        self._do(file.close, sending=sent)

    def rename(self, old: str, new: str) -> None:
        check_path(old), check_path(new)
        self._do(lambda: self._fs.mv(old, new))

    def remove(self, path: str) -> None:
        check_path(path)
        with suppress(NotFound):
            self._do(lambda: self._fs.rm_file(path))

    def prune(self, folder: str) -> None:
        def perform() -> None:
            place = folder
            while place and not self._fs.ls(place, detail=False):
                (self._fs.rm if self.can_append else self._fs.rmdir)(place)  # sshfs knows no other way
                place = posixpath.dirname(place)

        check_path(folder)
        with suppress(VaultError):  # object stores have no folders
            self._do(perform)

    def free_bytes(self) -> int | None:
        return None

    def _do(self, work: Callable[[], T], *, sending: int = 0) -> T:
        """Libraries of many hands raise many things; all of them mean that the storage did not do it."""
        try:
            return within(self._seconds + sending / SLOWEST, work, who=self.name)
        except VaultError:
            raise
        except FileNotFoundError as error:
            raise NotFound(f"{self.name}: {error} is not there") from error
        except Exception as error:
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise Refused(f"{self.name}: there is no room left at {self._url}") from error
            raise Unreachable(f"{self.name}: {type(error).__name__}: {str(error)[:300]}") from error


def _open(url: str, options: Mapping[str, Any]) -> DirFileSystem:
    try:
        fs, root = fsspec.url_to_fs(url, skip_instance_cache=True, **options)
    except (ValueError, ImportError) as error:
        raise Refused(f"{url.partition('://')[0]}:// cannot be used: {error}") from error
    return DirFileSystem(path=root.rstrip("/"), fs=fs, skip_instance_cache=True)


def _as_library(url: str, options: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The URL and its options as the library of its scheme wants them."""
    scheme, _, rest = url.partition("://")
    if scheme in ("ssh", "sftp"):  # sshfs takes any machine for the right one, unless it is told
        logging.getLogger("asyncssh").setLevel(logging.WARNING)  # it tells of each channel
        return url, {"known_hosts": (), **options}
    if scheme in _WEBDAV and "base_url" not in options:
        machine, _, path = rest.partition("/")
        auth = {"auth": tuple(options["auth"])} if "auth" in options else {}
        return f"webdav://{path}", {**options, **auth, "base_url": f"{_WEBDAV[scheme]}://{machine}"}
    return url, dict(options)


def _filled(file: Any, length: int) -> bytes:
    """As many bytes as are wanted and there; a file of some libraries gives less at a time."""
    pieces: list[bytes] = []
    while length > 0 and (piece := file.read(length)):
        pieces.append(piece)
        length -= len(piece)
    return b"".join(pieces)
