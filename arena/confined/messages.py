"""What a process and its confined child say to each other: JSON, a line each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from arena.rows.mask import Facts
from arena.rows.model import Content, Message
from arena.rows.overrun import Overrun
from arena.rows.tokenized import MaskingError
from arena.rows.tokenizer import UnusableTokenizer
from arena.rows.turn_ends import TurnEnds

READY = b'"ready"\n'
"""From the child: it has started."""
_ERRORS: dict[str, type[Exception]] = {each.__name__: each for each in (MaskingError, UnusableTokenizer, Overrun)}


def to_line(value: Any) -> bytes:
    return json.dumps(value).encode() + b"\n"


def from_line(line: bytes) -> Any:
    return json.loads(line)


def refused(error: BaseException) -> dict[str, str]:
    """A reply that says why there is none."""
    kind = next((name for name, each in _ERRORS.items() if isinstance(error, each)), None)
    text = str(error) if kind else f"{type(error).__name__}: {error}"
    return {"error": text, "kind": kind or UnusableTokenizer.__name__}


def value_of(reply: Mapping[str, Any]) -> Any:
    """What was asked. Raises MaskingError, UnusableTokenizer or Overrun as the child met it."""
    if "error" in reply:
        raise _ERRORS[reply["kind"]](reply["error"])
    return reply["value"]


def plain_content(content: Content) -> Any:
    return content if isinstance(content, str) else [asdict(message) for message in content]


def content_of(value: Any) -> Content:
    return value if isinstance(value, str) else conversation_of(value)


def conversation_of(value: Any) -> tuple[Message, ...]:
    return tuple(Message(**message) for message in value)


def plain_facts(facts: Facts) -> dict[str, Any]:
    ends = facts.ends
    behind = [[token, list(header)] for token, header in ends.ids_behind.items()]
    plain_ends = {**vars(ends), "ids": sorted(ends.ids), "ids_behind": behind}
    return {**vars(facts), "special": dict(facts.special), "ends": plain_ends}


def facts_of(value: Mapping[str, Any]) -> Facts:
    ends = value["ends"]
    behind = {token: tuple(header) for token, header in ends["ids_behind"]}
    whole = TurnEnds(**{**ends, "ids": frozenset(ends["ids"]), "ids_behind": behind})
    return Facts(**{**value, "ends": whole, "warnings": tuple(value["warnings"])})
