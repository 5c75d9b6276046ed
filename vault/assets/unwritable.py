"""A disk that refuses what arrives, in words. No Django."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from realm.disk import full
from vault.assets.manifest import PART_PREFIX
from vault.errors import Refused


class Unwritable(Refused):
    """The disk is full, or refuses for another reason: of the folder is told in which the copy was to appear."""

    def __init__(self, error: OSError, folder: Path) -> None:
        self.is_full = full.is_full(error)
        folder = next((each.parent for each in (folder, *folder.parents) if each.name.startswith(PART_PREFIX)), folder)
        super().__init__(
            full.sentence(folder) if self.is_full else f"{folder} cannot be written: {error.strerror or error}"
        )


@contextmanager
def in_words(folder: Path) -> Iterator[None]:
    """Raises Unwritable for an OSError."""
    try:
        yield
    except OSError as error:
        raise Unwritable(error, folder) from error
