"""The ways in for what is asked of the arena: a file, bytes that arrive, rows. Each becomes a quest with a ticket."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from arena.gate.report import Wishes
from arena.gate.rules import Depth
from arena.profiles.quest_recipe import NO_RECIPE, OwnRecipe
from arena.queue import files as queue
from arena.queue import names, ticket
from realm.disk.durable import TEMP_PREFIX
from realm.world import World


class BadRows(ValueError):
    """What was pasted or sent is no rows: one sentence for the player."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """How a quest is asked for, and by whom."""

    by: str
    name: str = ""
    """Of the file; empty: that which a given file has."""
    priority: str = "normal"
    hold: bool = False
    force: bool = False
    depth: Depth | None = None
    own: OwnRecipe = NO_RECIPE
    facts: dict[str, Any] = field(default_factory=dict)
    """Kept with the job for whoever asked."""

    @property
    def wishes(self) -> Wishes:
        return Wishes(hold=self.hold, force=self.force, depth=self.depth, confirmed_rate=self.own.confirmed_rate)

    def given(self, name: str) -> dict[str, Any]:
        """What the queue is given beside a file of that name; a new ticket each time."""
        made = ticket.new(name=name, by=self.by, facts=self.facts)
        return {
            "priority": self.priority, "wishes": self.wishes, "recipe": self.own.encoded, "ticket": made.encoded(),
        }  # fmt: skip


def ask_file(world: World, path: Path, wanted: Wanted) -> Path:
    """Copy a file, which stays where it is; returns the quest's place in its lane. Raises names.BadName, OSError."""
    name = names.file_name(wanted.name) if wanted.name else None
    return queue.add_file(world, path, name=name, **wanted.given(name or path.name))


def ask_temp(world: World, temp: Path, wanted: Wanted) -> Path:
    """The same for a file that lies under a temp name in the world's `uploads/`: it is moved."""
    os.chmod(temp, 0o644)
    name = names.file_name(wanted.name)
    return queue.take_upload(world, temp, name, **wanted.given(name))


def ask_chunks(world: World, chunks: Iterable[bytes], wanted: Wanted) -> Path:
    """The same for a whole file, some bytes at a time. Raises names.BadName, OSError."""
    names.file_name(wanted.name)
    temp = world.uploads / f"{TEMP_PREFIX}{secrets.token_hex(16)}"
    try:
        with open(os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as file:
            for chunk in chunks:
                file.write(chunk)
        return ask_temp(world, temp, wanted)
    finally:
        temp.unlink(missing_ok=True)


def lines_of(rows: str | Iterable[Mapping[str, Any]]) -> bytes:
    """Rows as JSONL: text as it was pasted, or one object a row. Raises BadRows."""
    if isinstance(rows, str):
        return _pasted_lines(rows)
    try:
        return _joined(json.dumps(row, ensure_ascii=False, allow_nan=False) for row in _objects(rows))
    except (TypeError, ValueError, RecursionError) as error:
        raise BadRows(f"A row cannot be written as JSON: {error}.") from error


def _objects(rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    listed = list(rows)
    if not listed:
        raise BadRows("There are no rows: there is nothing to train on.")
    for number, row in enumerate(listed, 1):
        if not isinstance(row, Mapping):
            raise BadRows(f"Row {number} is no object: each row is one, such as {{'prompt': …, 'completion': …}}.")
    return listed


def _pasted_lines(text: str) -> bytes:
    """A single JSON array or object is laid out one value a line, each as it was written.

    Raises BadRows for nothing, and for an array that is no JSON.
    """
    text = text.strip().removeprefix("\ufeff").replace("\r\n", "\n")
    if not text:
        raise BadRows("Nothing was pasted: one JSON object a line is expected, or one JSON array of objects.")
    if text.startswith("["):
        return _joined(_elements(text))
    whole = _whole_object(text)
    return _joined([whole] if whole else text.split("\n"))


def _joined(rows: Iterable[str]) -> bytes:
    return "".join(f"{row}\n" for row in rows).encode("utf-8", "surrogatepass")


def _whole_object(text: str) -> str | None:
    """An object that was written over several lines; outside of texts a newline is only a blank in JSON."""
    with suppress(ValueError, RecursionError):
        _, end = json.JSONDecoder().raw_decode(text)
        if end == len(text):
            return text.replace("\n", " ").replace("\r", " ")
    return None


def _elements(text: str) -> list[str]:
    decoder, rows, at = json.JSONDecoder(), list[str](), _skip_blanks(text, 1)
    try:
        while text[at] != "]":
            _, end = decoder.raw_decode(text, at)
            rows.append(text[at:end].replace("\n", " ").replace("\r", " "))
            at = _skip_blanks(text, end)
            if text[at] not in ",]":
                raise ValueError(f"a comma is missing at character {at + 1}")
            at = _skip_blanks(text, at + 1) if text[at] == "," else at
    except (ValueError, RecursionError, IndexError) as error:
        expected = "one JSON object a line is expected, or one JSON array of objects"
        raise BadRows(f"The array is no JSON ({error}): {expected}.") from error
    if text[at + 1 :].strip():
        raise BadRows("Something stands behind the array: paste the array alone, or one JSON object a line.")
    if not rows:
        raise BadRows("The array is empty: there is nothing to train on.")
    return rows


def _skip_blanks(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\n\r":
        at += 1
    return at
