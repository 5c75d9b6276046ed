"""What a model thinks before it answers: in the answer itself between `<think>` tags, or under a key of its own.

A message holds it in its text. A chat template with a field of its own for it gets it there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from arena.rows.model import BadRow, Kind
from arena.rows.texts import kind_of, text

FIELDS = ("reasoning_content", "thinking", "reasoning", "thought", "thoughts")
"""Under which chat templates look for an assistant's thought."""
LEAST_REPEATED_CHARACTERS = 20
"""So long a thought that stands word for word in its answer is there already; a shorter one may be the answer."""
_TAGGED = re.compile(r"(?:<(think|thinking|thought|reasoning)>|\A)((?:(?!<think).)*?)</(?(1)\1|think)>", re.DOTALL)
_LEADING = re.compile(r"\s*<think>\n*((?:(?!<think>).)*?)\n*</think>\n*", re.DOTALL)
_ITEM_KEYS = ("text", "thinking", "content", "summary")
_SETTINGS = frozenset(
    {
        "on",
        "off",
        "true",
        "false",
        "yes",
        "no",
        "none",
        "auto",
        "minimal",
        "low",
        "medium",
        "high",
        "enabled",
        "disabled",
    }
)
Chat = list[dict[str, str]]
_MARK = "\ue000realm thought\ue001"


def spoken(value: Any, where: str) -> str:
    """The thought that stands under a key: a text, or a list of texts or parts; empty where it only switches thinking
    on or off. Raises BadRow naming `where`."""
    if isinstance(value, bool | int | float) or value is None:
        return ""
    if isinstance(value, str):
        said = text(value, where).strip()
        whole = _TAGGED.fullmatch(said)
        return "" if said.casefold() in _SETTINGS else whole[2].strip() if whole else said
    if isinstance(value, list):
        return "\n".join(filter(None, (spoken(item, f"{where}[{index}]") for index, item in enumerate(value))))
    if isinstance(value, dict):
        for key in _ITEM_KEYS:
            if isinstance(value.get(key), str | list):
                return spoken(value[key], f"{where}.{key}")
    raise BadRow(f"{where}: a text is expected, not {kind_of(value)}", Kind.TYPE)


def one_of(found: Mapping[str, str]) -> str:
    """The only thought of those under several keys, which may be the same one. Raises BadRow naming two that differ."""
    first: tuple[str, str] | None = None
    for where, thought in found.items():
        if thought and first is None:
            first = where, thought
        elif thought and first and _normalised(thought) != _normalised(first[1]):
            raise BadRow(f"{first[0]} and {where}: two different thoughts of one answer; keep one", Kind.UNSUPPORTED)
    return first[1] if first else ""


def with_thought(answer: str, thought: str, where: str) -> str:
    """The answer with its thought in front as Qwen3's template puts it; as it is where it holds the thought already.

    Raises BadRow naming `where` for an answer that holds another thought.
    """
    if not thought:
        return answer
    wanted, inside = _normalised(thought), [_normalised(held) for held in held_in(answer)]
    if wanted in inside or (len(wanted) >= LEAST_REPEATED_CHARACTERS and wanted in _normalised(answer)):
        return answer
    if inside:
        raise BadRow(f"{where}: the answer holds another thought of its own; keep one", Kind.UNSUPPORTED)
    return f"<think>\n{thought}\n</think>\n\n{answer}"


def held_in(answer: str) -> list[str]:
    """All thoughts between tags in an answer, without blanks around them; also one that is closed and never opened."""
    if "</" not in answer:
        return []
    return [thought for found in _TAGGED.finditer(answer) if (thought := found[2].strip())]


def find_field(render: Callable[[Chat], str]) -> str | None:
    """The field in which a chat template shows an assistant's thought in front of its answer; None if it has none.

    `render` raises what it likes for a conversation that the template refuses.
    """
    answer = _MARK[::-1]
    for name in FIELDS:
        asked = {"role": "user", "content": "a"}
        try:
            shown = render([asked, {"role": "assistant", "content": answer, name: _MARK}])
        except ValueError:
            continue
        if -1 < shown.find(_MARK) < shown.find(answer):
            return name
    return None


def in_field(chat: Chat, name: str) -> Chat:
    """The conversation with each leading thought of an assistant under `name` and no longer in its text."""
    return [_split(said, name) if said["role"] == "assistant" else said for said in chat]


def _split(said: dict[str, str], name: str) -> dict[str, str]:
    found = _LEADING.match(said["content"]) if "</think>" in said["content"] else None
    if found is None or not found[1].strip() or not said["content"][found.end() :].strip():
        return said
    return said | {"content": said["content"][found.end() :], name: found[1]}


def lost(held: Iterable[str], shown: str) -> int:
    """Characters of the thoughts that are not in what is shown of an answer; blanks may be others."""
    missing = [thought for thought in held if thought not in shown]
    if not missing:
        return 0
    normal = _normalised(shown)
    return sum(len(thought) for thought in missing if _normalised(thought) not in normal)


def _normalised(value: str) -> str:
    return " ".join(value.split())


def in_words(turns: Sequence[tuple[int, int]]) -> str:
    """What a warning says of turns, each with the characters that it lost; counted from 1."""
    each = ", ".join(f"message {turn}: {characters} characters" for turn, characters in turns)
    return f"the chat template drops the thoughts of this row ({each})"
