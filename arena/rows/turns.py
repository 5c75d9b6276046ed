"""Turns of a conversation, under role/content or from/value, with what each says about itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from arena.rows import thoughts
from arena.rows.key_names import Meaning, flag, is_given, meaning_of, verdict
from arena.rows.model import BadRow, Kind, Message, Notes
from arena.rows.texts import kind_of, parts, quoted

ROLES = ("system", "user", "assistant")
_ROLE_OF = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
_SPEAKER_OF = _ROLE_OF | {
    "human": "user", "gpt": "assistant", "chatgpt": "assistant", "bard": "assistant", "bing": "assistant",
    "gemini": "assistant", "model": "assistant", "bot": "assistant", "ai": "assistant",
}  # fmt: skip
_TOOL_ROLES = frozenset(
    {"tool", "function", "ipython", "tool_call", "tool_response", "function_call", "function_response", "observation"}
)
_THOUGHT_PARTS = ("thinking", "reasoning")


def conversation(value: Any, key: str, notes: Notes) -> tuple[Message, ...]:
    """The turns of a non-empty list that stands under `key`. Raises BadRow naming the turn."""
    if not isinstance(value, list) or not value:
        found = "an empty one" if value == [] else kind_of(value)
        kind = Kind.EMPTY if value == [] else Kind.TYPE
        raise BadRow(f"{key}: a non-empty list of messages is expected, not {found}", kind)
    turns: list[Message] = []
    thought, thought_at = "", ""
    for index, item in enumerate(value):
        message = _usual_message(item) or _message(item, f"{key}[{index}]", notes)
        if message.role == "assistant" and item.get("channel") == "analysis":
            thought, thought_at = f"{thought}\n{message.content}".strip(), f"{key}[{index}]"
            continue
        if thought and message.role == "assistant":
            message = replace(message, content=thoughts.with_thought(message.content, thought, thought_at))
            thought = ""
        elif thought:
            break
        turns.append(message)
    if thought:
        raise BadRow(f"{thought_at}: no answer follows this thought (channel 'analysis')", Kind.NO_ANSWER)
    return tuple(turns)


def _usual_message(value: Any) -> Message | None:
    """Just a role and a text, as almost all are; None for whatever has to be looked at closely."""
    if type(value) is not dict or len(value) != 2:
        return None
    role, content = value.get("role"), value.get("content")
    if type(role) is str and role in _ROLE_OF and type(content) is str and content.isascii():
        return Message(_ROLE_OF[role], content)
    return None


def _message(value: Any, where: str, notes: Notes) -> Message:
    if not isinstance(value, dict):
        raise BadRow(f"{where}: an object with role and content is expected, not {kind_of(value)}", Kind.TYPE)
    if "from" in value and "role" not in value:
        role, said = _role(value["from"], _SPEAKER_OF, f"{where}: from"), "value"
    else:
        role, said = _role(value.get("role"), _ROLE_OF, f"{where}: role"), "content"
    turn = _Turn(role, where, notes)
    for key, item in value.items():
        if key not in ("role", "from", said) and is_given(item):
            turn.take(key, item)
    content = turn.content(value.get(said), f"{where}.{said}")
    return Message(role, content, given=turn.is_given())


def _role(value: Any, roles: Mapping[str, str], where: str) -> str:
    role = roles.get(value) if isinstance(value, str) else None
    if role is None:
        if isinstance(value, str) and value in _TOOL_ROLES:
            raise BadRow(
                f"{where} {value!r} is a tool's turn, which is not trained on yet; leave the row out", Kind.TOOL_CALL
            )
        raise BadRow(f"{where} {quoted(value)} is not allowed; allowed are {', '.join(roles)}", Kind.ROLE)
    return role


@dataclass
class _Turn:
    """What the keys beside a turn's text say."""

    role: str
    where: str
    notes: Notes
    learned: dict[str, bool] = field(default_factory=dict)
    thoughts: dict[str, str] = field(default_factory=dict)

    def take(self, key: str, value: Any) -> None:
        """Raises BadRow for a key that cannot be honoured."""
        match meaning_of(key):
            case Meaning.LEARNED | Meaning.PASSED_OVER as meaning:
                self._take_flag(key, meaning, value)
            case Meaning.GOOD | Meaning.BAD as meaning:
                self._take_verdict(key, meaning, value)
            case Meaning.THOUGHT:
                self._take_thought(key, value)
            case Meaning.TOOLS:
                raise BadRow(
                    f"{self.where}: tool calls are not trained on yet ({key}); leave the row out", Kind.TOOL_CALL
                )
            case Meaning.MEDIA | Meaning.PARTIAL if flag(value) is False:
                pass
            case Meaning.MEDIA:
                raise BadRow(f"{self.where}.{key}: only texts can be trained on; leave the row out", Kind.UNSUPPORTED)
            case Meaning.PARTIAL:
                raise BadRow(f"{self.where}.{key}: a turn is learned whole or not at all", Kind.UNSUPPORTED)
            case Meaning.CHANNEL if self.role == "assistant":
                if value not in ("analysis", "final"):
                    raise BadRow(
                        f"{self.where}: channel {value!r} is not allowed; allowed are analysis and final",
                        Kind.UNSUPPORTED,
                    )
            case Meaning.PREFERENCE:
                self.notes.warn("preference", f"{self.where}.{key}: this other answer is not learned from")
            case _:
                self._leave(key)

    def _leave(self, key: str) -> None:
        self.notes.unread[f"{self.where.partition('[')[0]}[].{key}"] = None

    def _take_flag(self, key: str, meaning: Meaning, value: Any) -> None:
        said = flag(value)
        if said is None:
            raise BadRow(f"{self.where}: {key} {value!r} is not allowed; allowed are 0 and 1", Kind.UNSUPPORTED)
        learned = said if meaning == Meaning.LEARNED else not said
        if self.role == "assistant":
            self.learned[key] = learned
        elif value is True and learned:
            self.notes.warn("not-honoured", f"{self.where}.{key}: only answers are trained on")

    def _take_verdict(self, key: str, meaning: Meaning, value: Any) -> None:
        good = verdict(key, meaning, value)
        if good is None:
            self._leave(key)
        elif not good and self.role == "assistant":
            self.learned[key] = False

    def _take_thought(self, key: str, value: Any) -> None:
        where = f"{self.where}.{key}"
        thought = thoughts.spoken(value, where)
        if not thought:
            self._leave(key)
        elif self.role != "assistant":
            raise BadRow(f"{where}: only an assistant thinks aloud; leave it out")
        else:
            self.thoughts[where] = thought

    def content(self, value: Any, where: str) -> str:
        """The turn's text with its thought in front."""
        if isinstance(value, list) and self.role == "assistant":
            inner = [part for part in value if isinstance(part, dict) and part.get("type") in _THOUGHT_PARTS]
            value = [part for part in value if part not in inner]
            self.thoughts |= {where: thoughts.spoken(inner, where)} if inner else {}
        return thoughts.with_thought(parts(value, where), thoughts.one_of(self.thoughts), where)

    def is_given(self) -> bool:
        """Whether this is an answer that is read and not learned."""
        said = set(self.learned.values())
        if len(said) > 1:
            raise BadRow(f"{self.where}: {' and '.join(self.learned)} contradict each other", Kind.UNSUPPORTED)
        return said == {False}
