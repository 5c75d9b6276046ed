"""Names that come from outside: what may become the file of a quest."""

from __future__ import annotations

import re

from arena.rows import lines
from realm.disk.durable import TEMP_PREFIX

LONGEST_BYTES = 200
_SEPARATORS = re.compile(r"[/\\]")
_ALLOWED = ", ".join(lines.SUFFIXES)


class BadName(ValueError):
    """One sentence that says why, for the player."""


def file_name(text: str) -> str:
    """The plain name of a file that was chosen or dropped, without folders. Raises BadName."""
    name = _plain(text)
    if not lines.is_quest_name(name):
        raise BadName(f"{shown(text)} is no quest: only {_ALLOWED} files are taken.")
    if not lines.stem_of(name).strip():
        raise BadName(f"{shown(text)} has no name before its ending: give it one.")
    return _short(name)


def pasted_name(text: str) -> str:
    """The name of a quest that is pasted; the ending may be left out. Raises BadName."""
    name = _plain(text)
    return file_name(name if name.lower().endswith(".jsonl") else f"{name}.jsonl")


def shown(text: str) -> str:
    """What may be repeated to whoever sent it."""
    name = _plain(text) or "a file without a name"
    return name if len(name) <= 80 else f"{name[:80]}…"


def _plain(text: str) -> str:
    last = _SEPARATORS.split(text)[-1]
    name = "".join(character for character in last if character.isprintable()).strip()
    return name.lstrip(".").strip() if name.startswith((TEMP_PREFIX, ".")) else name


def _short(name: str) -> str:
    """Cut to what a file system takes, between characters; the ending stays."""
    suffix = lines.suffix_of(name) or ""
    stem = name[: len(name) - len(suffix)]
    while len(stem.encode()) > LONGEST_BYTES:
        stem = stem[:-1]
    return stem + suffix
