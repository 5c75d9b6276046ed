"""A process's database is the file that lies in the world: one that was deleted is still written to, for nobody."""

from __future__ import annotations

import os

from realm.databases import database
from realm.world import World

_MAGIC = b"SQLite format 3\0"


class DatabaseGone(Exception):
    """One sentence. The next daemon makes the database anew."""


class DatabaseWatch:
    def __init__(self, world: World) -> None:
        self._world = world
        self._handle: int | None = None
        """Of the file as it was at the first look, and never closed: to close any handle on a file drops the locks that
        this process's SQLite holds on it (POSIX), and two would write at once."""

    def check(self) -> None:
        """Raises DatabaseGone where the file is another one than at the first look, none, or no database any more.

        SQLite itself does not look at the file again while it has in memory what it needs.
        """
        if not database.is_a_file_of(self._world):
            return
        try:
            if self._handle is None:
                self._handle = os.open(self._world.database, os.O_RDONLY | os.O_CLOEXEC)
            found = os.stat(self._world.database)
        except FileNotFoundError:
            raise DatabaseGone(f"{self._world.database} is gone; the next start makes it anew") from None
        if not os.path.samestat(found, os.fstat(self._handle)):
            raise DatabaseGone(f"{self._world.database} was replaced; the next start brings it into line")
        if os.pread(self._handle, len(_MAGIC), 0) != _MAGIC:
            raise DatabaseGone(f"{self._world.database} was overwritten; the next start makes it anew")
