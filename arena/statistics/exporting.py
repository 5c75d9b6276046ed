"""Statistics and curves to a file of the player's."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from realm.disk import durable


def write(path: Path, pieces: Iterable[bytes]) -> None:
    """In place of what lies there; the file is whole, or as it was, at every instant."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with durable.new_file(part) as file:
        file.writelines(pieces)
    os.replace(part, path)
    durable.sync_folder(path.parent)
