"""What a stronghold is built upon: files below one root, wherever they lie. No Django.

Paths are relative, with slashes. Every method is bounded in time and raises Unreachable where the storage does not
answer, Refused for a path that would leave the root and for a full disk, NotFound for a file that is not there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from vault.assets.manifest import is_safe_path
from vault.errors import Refused

PART_PREFIX = ".tmp-"
BUCKET_SCHEMES = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "oss", "oci"})
"""Their URLs name a bucket in place of a machine. A bucket has no folders; to make one there would make a bucket."""


@dataclass(frozen=True)
class Listing:
    """Of one folder: names of its folders, and its files' sizes by name. Links and devices are neither."""

    folders: list[str] = field(default_factory=list)
    files: dict[str, int] = field(default_factory=dict)


class Backend(Protocol):
    name: str
    can_append: bool
    """Whether a file can be gone on with where it ended, and renamed; else it is written whole or not at all."""

    def listing(self, folder: str) -> Listing:
        """Empty where there is no such folder."""

    def size(self, path: str) -> int | None:
        """None where there is no such file."""

    def read(self, path: str) -> Iterator[bytes]:
        """In pieces of CHUNK_BYTES, the last one shorter."""

    def read_at(self, path: str, offset: int, length: int) -> bytes: ...

    def write(self, path: str, pieces: Iterator[bytes], *, append: bool = False) -> None:
        """It is on disk when this returns. The folders above are made."""

    def rename(self, old: str, new: str) -> None:
        """Replaces what has the name."""

    def remove(self, path: str) -> None:
        """Also where there is no such file."""

    def prune(self, folder: str) -> None:
        """Delete the folder and those above it, as far as they are empty."""

    def free_bytes(self) -> int | None:
        """None where nobody can say."""


def check_path(path: str) -> str:
    """`path` where it stays below the root; raises Refused. A part file's name is allowed beside safe ones."""
    head, slash, name = path.rpartition("/")
    if not is_safe_path(f"{head}{slash}{name.removeprefix(PART_PREFIX)}"):
        raise Refused(f"{path[:200]!r} is no path below a stronghold's root")
    return path


def part_of(path: str, writer: str) -> str:
    """Where the file is while `writer`, who goes on with its own alone, has not sent all of it."""
    head, slash, name = path.rpartition("/")
    return f"{head}{slash}{PART_PREFIX}{writer}-{name}"
