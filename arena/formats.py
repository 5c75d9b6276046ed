"""Quest files: one JSON value a line, read strictly, its format recognised by itself.

The gatekeeper and the trainer read through this one reader, so what was accepted is what is trained on.
Standard library only.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from arena.protocol import LARGEST_LINE_BYTES

ROLES = ("system", "user", "assistant")
LONGEST_REASON = 300
HIGHEST_LEVEL = 32_767
"""What the index and the sidecars hold; no trainer has as many."""
_SKILL_NAME = re.compile(r"[a-z][a-z0-9]{0,39}")
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Message:
    role: str
    content: str


Content = tuple[Message, ...] | str
"""A conversation, or plain text."""


@dataclass(frozen=True, slots=True)
class Row:
    line: int
    """Counted from 1, as an editor does."""
    data_format: str
    content: Content
    skill: str | None = None
    level: int | None = None

    @property
    def messages(self) -> tuple[Message, ...]:
        """The conversation. Raises TypeError for plain text, which has no turns: ask `content` where both may come."""
        if isinstance(self.content, str):
            raise TypeError(f"line {self.line} is plain text and has no messages")
        return self.content


@dataclass(frozen=True, slots=True)
class Refusal:
    line: int
    reason: str


class BadRow(ValueError):
    """Why one row cannot be trained on."""


class UnreadableQuest(Exception):
    """The file as a whole cannot be read: not a regular file, or gone."""


def read_rows(path: Path) -> Iterator[Row | Refusal]:
    """Every non-blank line as a Row or a Refusal, in order, with one line in memory at a time.

    Raises UnreadableQuest if `path` is not a regular file (a link, a pipe, a folder) or cannot be opened.
    """
    with _open_regular(path) as file:
        for number, line in _lines(file):
            if line is None:
                yield Refusal(number, f"the line is longer than {LARGEST_LINE_BYTES // 1024**2} MiB; split the row")
                continue
            if not line.strip():
                continue
            try:
                yield _parse_row(number, line.rstrip(b"\r\n"))
            except BadRow as error:
                yield Refusal(number, shortened(str(error)))


def shortened(reason: str) -> str:
    """A reason quotes what it found, and what it found may be a megabyte."""
    return reason if len(reason) <= LONGEST_REASON else f"{reason[:LONGEST_REASON]}…"


def _open_regular(path: Path) -> BinaryIO:
    try:
        # O_NONBLOCK: opening a pipe that nobody writes to would wait for ever.
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise UnreadableQuest(f"{path.name} cannot be opened: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise UnreadableQuest(f"{path.name} is not a regular file")
    return open(handle, "rb")


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes | None]]:
    """Lines split at newline bytes only; None stands for a line over the limit, which is skipped unread."""
    number = 0
    while line := file.readline(LARGEST_LINE_BYTES + 1):
        number += 1
        if number == 1:
            line = line.removeprefix(_BOM)
        if len(line) <= LARGEST_LINE_BYTES:
            yield number, line
            continue
        while line and not line.endswith(b"\n"):
            line = file.readline(LARGEST_LINE_BYTES)
        yield number, None


def _parse_row(number: int, line: bytes) -> Row:
    value = _parse_json(line)
    if not isinstance(value, dict):
        raise BadRow(f"a JSON object is expected, this line holds {_kind(value)}")
    for name, reader in _FORMATS:
        content = reader(value)
        if content is not None:
            _check_content(content)
            skill, level = _skill_and_level(value)
            return Row(number, name, content, skill, level)
    keys = ", ".join(repr(key) for key in list(value)[:6]) or "none"
    raise BadRow(
        f"no known format: keys are {keys}; known are 'messages', 'prompt' with 'completion', "
        "'instruction' with 'output', 'text'"
    )


def _parse_json(line: bytes) -> Any:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadRow(f"not UTF-8: byte {error.start + 1} of the line is 0x{line[error.start]:02x}") from error
    try:
        return json.loads(
            text, parse_constant=_refuse_constant, parse_float=_finite_float, object_pairs_hook=_unique_keys
        )
    except json.JSONDecodeError as error:
        raise BadRow(f"not JSON: {error.msg} at column {error.colno}") from error
    except RecursionError as error:
        raise BadRow("nested too deeply") from error
    except BadRow:
        raise
    except ValueError as error:  # a number of more digits than Python converts
        raise BadRow(f"not JSON that can be read: {error}") from error


def _refuse_constant(text: str) -> NoReturn:
    raise BadRow(f"{text} is not JSON")


def _finite_float(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise BadRow(f"the number {text} is too large")
    return number


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        counts = Counter(key for key, _ in pairs)
        twice = next(key for key, count in counts.items() if count > 1)
        raise BadRow(f"the key {twice!r} stands twice in one object")
    return value


def _from_messages(value: dict[str, Any]) -> tuple[Message, ...] | None:
    return _messages(value["messages"], "messages") if "messages" in value else None


def _from_prompt_completion(value: dict[str, Any]) -> tuple[Message, ...] | None:
    if "prompt" not in value or "completion" not in value:
        return None
    prompt, completion = value["prompt"], value["completion"]
    if isinstance(prompt, str) and isinstance(completion, str):
        return Message("user", _text(prompt, "prompt")), Message("assistant", _text(completion, "completion"))
    return _messages(prompt, "prompt") + _messages(completion, "completion")


def _from_alpaca(value: dict[str, Any]) -> tuple[Message, ...] | None:
    if "instruction" not in value or "output" not in value:
        return None
    instruction, context = _text(value["instruction"], "instruction"), _text(value.get("input") or "", "input")
    question = f"{instruction}\n\n{context}" if context else instruction
    return Message("user", question), Message("assistant", _text(value["output"], "output"))


def _from_text(value: dict[str, Any]) -> str | None:
    return _text(value["text"], "text") if "text" in value else None


# Text comes last: data sets often keep the whole conversation once more under that key.
_FORMATS: tuple[tuple[str, Callable[[dict[str, Any]], Content | None]], ...] = (
    ("messages", _from_messages),
    ("prompt-completion", _from_prompt_completion),
    ("alpaca", _from_alpaca),
    ("text", _from_text),
)


def _messages(value: Any, key: str) -> tuple[Message, ...]:
    if not isinstance(value, list) or not value:
        raise BadRow(f"{key}: a non-empty list of messages is expected, not {_kind(value)}")
    return tuple(_message(item, f"{key}[{index}]") for index, item in enumerate(value))


def _message(value: Any, where: str) -> Message:
    if not isinstance(value, dict):
        raise BadRow(f"{where}: an object with role and content is expected, not {_kind(value)}")
    role = value.get("role")
    if role not in ROLES:
        raise BadRow(f"{where}: role {role!r} is not allowed; allowed are {', '.join(ROLES)}")
    return Message(role, _text(value.get("content"), f"{where}.content"))


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise BadRow(f"{where}: a text is expected, not {_kind(value)}")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise BadRow(f"{where}: half of a surrogate pair at character {error.start + 1}") from error
    return value


def _check_content(content: Content) -> None:
    if isinstance(content, str):
        if not content.strip():
            raise BadRow("the text is empty")
    else:
        _check_dialogue(content)


def _check_dialogue(messages: tuple[Message, ...]) -> None:
    answers = [message for message in messages if message.role == "assistant"]
    if not answers:
        raise BadRow("no assistant turn: there is nothing to train on")
    if not all(answer.content.strip() for answer in answers):
        raise BadRow("an assistant turn is empty")


def _skill_and_level(value: dict[str, Any]) -> tuple[str | None, int | None]:
    """What the guild's forge writes beside a row; anything else under these keys is not ours."""
    skill, level = value.get("skill"), value.get("level")
    named = isinstance(skill, str) and _SKILL_NAME.fullmatch(skill)
    if named and isinstance(level, int) and not isinstance(level, bool) and 1 <= level <= HIGHEST_LEVEL:
        return skill, level
    return None, None


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
