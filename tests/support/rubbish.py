"""What may lie under the name of a command or state file without being one."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        here = os.open(path.parent, os.O_RDONLY)  # a Unix socket's path is at most 107 bytes
        try:
            server.bind(f"/proc/self/fd/{here}/{path.name}")
        finally:
            os.close(here)


TEXTS: dict[str, bytes] = {
    "empty": b"",
    "cut off": b'{"wish": "pa',
    "deeply nested": b"[" * 100_000,
    "nested and whole": b'{"wish": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    "not UTF-8": b'{"wish": "pause", "by": "\xff"}',
    "half a surrogate": b'{"wish": "pause", "by": "\\ud800", "task": "\\ud800", "asked": "\\ud800", "battle": ""}',
    "not a number": b'{"wish": NaN, "by": NaN, "asked": NaN, "battle": NaN}',
    "a list": b"[1, 2]",
    "wrong types": b'{"wish": ["pause"], "act": {}, "source": 1, "files": {}, "task": 1, "asked": 1, "battle": []}',
    "nothing in it": b"{}",
    "a long number": b"1" * 5000,
}
KINDS: dict[str, Callable[[Path], object]] = {
    "a folder": Path.mkdir,
    "a pipe": os.mkfifo,
    "a socket": _socket,
    "a link to nothing": lambda path: path.symlink_to("nothing"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a link to a device": lambda path: path.symlink_to("/dev/zero"),
    "large": lambda path: (path.touch(), os.truncate(path, 60 * 1024 * 1024)),
    **{name: lambda path, text=text: path.write_bytes(text) for name, text in TEXTS.items()},
}
