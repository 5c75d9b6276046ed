"""What a line of a quest becomes: a row to train on, or a refusal in words. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

LONGEST_REASON = 300


class Kind(StrEnum):
    """Why a row or a whole file is refused, in one short word each; the words stay as they are in later releases."""

    # of a row
    JSON = "json"
    UTF8 = "utf-8"
    TOO_LONG_LINE = "too-long-line"
    NESTING = "nesting"
    NUMBER = "number"
    DUPLICATE_KEY = "duplicate-key"
    SURROGATE = "surrogate"
    FORMAT = "format"
    """Valid JSON in none of the known forms."""
    TYPE = "type"
    """A known form with a number, a list or null where a text belongs, or the like."""
    ROLE = "role"
    EMPTY = "empty"
    NO_ANSWER = "no-answer"
    TOOL_CALL = "tool-call"
    UNSUPPORTED = "unsupported"
    """What the form allows and the trainer cannot honour: images, a weight between 0 and 1, an answer to be avoided."""

    # of a whole file
    NOT_A_FILE = "not-a-file"
    UNREADABLE = "unreadable"
    NOT_JSONL = "not-jsonl"
    COMPRESSION = "compression"
    """A compressed stream that is cut off, damaged or named for another method."""
    TOO_LARGE = "too-large"
    CHANGED = "changed"


class BadRow(ValueError):
    """Why one row cannot be trained on."""

    def __init__(self, reason: str, kind: str = Kind.FORMAT) -> None:
        super().__init__(reason)
        self.kind = kind


class UnreadableQuest(Exception):
    """The file as a whole cannot be read: not a regular file, gone, or not JSONL. One sentence that says what to do."""

    def __init__(self, reason: str, kind: str = Kind.UNREADABLE) -> None:
        super().__init__(reason)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Message:
    role: str
    content: str
    given: bool = False
    """An answer that belongs to the prompt: the hero reads it and is not trained to write it."""


@dataclass(slots=True)
class Notes:
    """What is noticed while one row is read."""

    warnings: list[tuple[str, str]] = field(default_factory=list)
    """Kind and reason of each."""
    unread: dict[str, None] = field(default_factory=dict)
    """Keys that are passed over, in order."""

    def warn(self, kind: str, reason: str) -> None:
        self.warnings.append((kind, reason))


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
    warnings: tuple[Refusal, ...] = ()
    """Of what it says about itself and is not honoured."""
    unread: tuple[str, ...] = ()
    """Keys that hold something and are passed over, because nobody knows what they mean."""

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
    kind: str = Kind.FORMAT


def shortened(reason: str) -> str:
    """A reason quotes what it found, and what it found may be a megabyte."""
    return reason if len(reason) <= LONGEST_REASON else f"{reason[:LONGEST_REASON]}…"
