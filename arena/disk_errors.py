"""Errors of the disk and the machine, which pass; and the words for them. Everything else is a fault of the program."""

from __future__ import annotations

import errno
import shutil
import sqlite3

from django.db import OperationalError, connection

from realm.world import World

PASSING = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.ENOMEM, errno.EAGAIN, errno.EMFILE, errno.ENFILE}
)
_SQLITE_PASSING = frozenset(
    {
        sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY, sqlite3.SQLITE_NOMEM,
    }
)  # fmt: skip

TROUBLES = (OSError, OperationalError)
"""What may be one; `passes` says whether it is."""


def passes(error: OSError | OperationalError) -> bool:
    """Whether the same may succeed later without a change of the program."""
    if isinstance(error, OSError):
        return error.errno in PASSING
    code = getattr(error.__cause__, "sqlite_errorcode", None)
    # Other databases raise it only for what is beyond the program: a lost connection, a full disk.
    return code is None or code & 0xFF in _SQLITE_PASSING


def describe(world: World, error: OSError | OperationalError) -> str:
    """One sentence: what failed, on which volume, and how much is free there."""
    if isinstance(error, OSError):
        what = f"{error.strerror}: {error.filename}" if error.filename else str(error.strerror)
    else:
        what = f"the database: {error}"
    return f"The arena cannot write to {world.home} ({what}); {_free(world)}. It goes on by itself when it can"


def _free(world: World) -> str:
    try:
        return f"{shutil.disk_usage(world.home).free:,} bytes are free"
    except OSError:
        return "its free space cannot be read"


def mend_connection() -> None:
    """After an error of the database: a connection that no longer works is opened anew at the next query."""
    connection.close_if_unusable_or_obsolete()
