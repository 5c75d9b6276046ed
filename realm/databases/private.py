"""The world's database is its owner's alone, however the realm was started: it holds sessions and hashed passwords."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

FILES = ("", "-wal", "-shm")
_OTHERS = 0o077


def keep_private(*, connection: Any, **named: Any) -> None:
    """A receiver of Django's `connection_created`. Files of another owner's stay as they are."""
    if connection.vendor != "sqlite":
        return
    for each in FILES:
        path = f"{connection.settings_dict['NAME']}{each}"
        with suppress(OSError):
            if os.stat(path).st_mode & _OTHERS:
                os.chmod(path, 0o600)
