"""The forms a row may have, in the order in which they are tried. Whatever none of them claims is refused.

A new form is one small class in BUILT_IN, or an entry of `configs/datasets.yaml` or the world's `datasets.yaml`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

from arena.rows.model import BadRow, Content, Kind, Message
from realm import strict
from realm.world import CHECKOUT, World
from realm.yaml_files import read_yaml

SHIPPED_FILE = CHECKOUT / "configs" / "datasets.yaml"
ROLES = ("system", "user", "assistant")
_ROLE_OF = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
_SPEAKER_OF = _ROLE_OF | {
    "human": "user", "gpt": "assistant", "chatgpt": "assistant", "bard": "assistant", "bing": "assistant",
    "gemini": "assistant", "model": "assistant", "bot": "assistant", "ai": "assistant",
}  # fmt: skip
_TOOL_ROLES = frozenset(
    {"tool", "function", "ipython", "tool_call", "tool_response", "function_call", "function_response", "observation"}
)
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LONGEST_NAME = 40


class DatasetSpec(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def keys(self) -> str:
        """The keys it goes by, as an error names them."""

    def read(self, value: dict[str, Any]) -> Content | None:
        """What the row says; None if it is of another form. Raises BadRow if it is of this form and broken."""


@dataclass(frozen=True)
class Messages:
    """OpenAI's chat form."""

    name: str = "messages"
    key: str = "messages"

    @property
    def keys(self) -> str:
        return repr(self.key)

    def read(self, value: dict[str, Any]) -> Content | None:
        if self.key not in value:
            return None
        _refuse_tools(value)
        return _with_system(value, _messages(value[self.key], self.key))


class PromptCompletion:
    name, keys = "prompt-completion", "'prompt' with 'completion'"

    def read(self, value: dict[str, Any]) -> Content | None:
        if "prompt" not in value or "completion" not in value:
            return None
        _refuse_tools(value)
        prompt, completion = value["prompt"], value["completion"]
        if isinstance(prompt, list) and isinstance(completion, list):
            # As in TRL only the completion is trained on, whoever speaks in the prompt.
            given = tuple(replace(said, given=said.role == "assistant") for said in _messages(prompt, "prompt"))
            return _with_system(value, given + _messages(completion, "completion"))
        if isinstance(prompt, list) or isinstance(completion, list):
            raise BadRow("prompt and completion must both be texts or both be lists of messages", Kind.TYPE)
        question, answer = text(prompt, "prompt"), text(completion, "completion")
        return _with_system(value, (Message("user", question), Message("assistant", answer)))


class Alpaca:
    name, keys = "alpaca", "'instruction' with 'output'"

    def read(self, value: dict[str, Any]) -> Content | None:
        if "instruction" not in value or "output" not in value:
            return None
        if value.get("history"):
            raise BadRow(
                "history: earlier turns are not read in this form; write the row as messages", Kind.UNSUPPORTED
            )
        question = _joined(text(value["instruction"], "instruction"), text(value.get("input", ""), "input"))
        answer = text(value["output"], "output")
        return _with_system(value, (Message("user", question), Message("assistant", answer)))


class ShareGPT:
    name, keys = "sharegpt", "'conversations'"

    def read(self, value: dict[str, Any]) -> Content | None:
        if "conversations" not in value:
            return None
        _refuse_tools(value)
        return _with_system(value, _messages(value["conversations"], "conversations"))


@dataclass(frozen=True)
class Text:
    """Plain text, every token of which is trained on."""

    name: str = "text"
    key: str = "text"

    @property
    def keys(self) -> str:
        return repr(self.key)

    def read(self, value: dict[str, Any]) -> Content | None:
        return text(value[self.key], self.key) if self.key in value else None


# Text comes last: data sets often keep the whole conversation once more under that key.
_CONVERSATIONS: tuple[DatasetSpec, ...] = (Messages(), PromptCompletion(), Alpaca(), ShareGPT())
_TEXTS: tuple[DatasetSpec, ...] = (Text(),)
BUILT_IN = (*_CONVERSATIONS, *_TEXTS)


@dataclass(frozen=True, kw_only=True)
class Declared:
    """An entry of a `datasets.yaml`: under which keys of a row its parts stand."""

    user: str | None = None
    assistant: str | None = None
    system: str | None = None
    """Optional in the row."""
    context: str | None = None
    """Put behind the user's text, an empty line between; optional in the row."""
    messages: str | None = None
    text: str | None = None

    def __post_init__(self) -> None:
        given = {key for key, value in asdict(self).items() if value is not None}
        if any(getattr(self, key) == "" for key in given):
            raise ValueError("a key of a row is expected, not an empty text")
        if given not in ({"messages"}, {"text"}) and not {"user", "assistant"} <= given <= _QUESTION_KEYS:
            raise ValueError(
                f"{', '.join(sorted(given)) or 'nothing'} make no form; allowed are user and assistant "
                "(with system, context), or messages alone, or text alone"
            )
        if len({getattr(self, key) for key in given}) != len(given):
            raise ValueError("two parts stand under the same key")


_QUESTION_KEYS = {"user", "assistant", "system", "context"}


@dataclass(frozen=True)
class QuestionAnswer:
    """One question and its answer, under keys that a `datasets.yaml` names."""

    name: str
    declared: Declared

    @property
    def keys(self) -> str:
        return f"{self.declared.user!r} with {self.declared.assistant!r}"

    def read(self, value: dict[str, Any]) -> Content | None:
        user, assistant = str(self.declared.user), str(self.declared.assistant)
        if user not in value or assistant not in value:
            return None
        question = _joined(text(value[user], user), self._optional(value, self.declared.context))
        system = self._optional(value, self.declared.system)
        turns = Message("user", question), Message("assistant", text(value[assistant], assistant))
        return (Message("system", system), *turns) if system else turns

    def _optional(self, value: dict[str, Any], key: str | None) -> str:
        return text(value.get(key, ""), key) if key else ""


def registry(declared: Mapping[str, Mapping[str, str]] | None = None) -> tuple[DatasetSpec, ...]:
    """All forms in the order in which they are tried; `declared` as `load_declared` gives it.

    Raises strict.BadConfig for entries that are none.
    """
    specs = [_spec(name, keys, source="dataset_specs") for name, keys in (declared or {}).items()]
    # Forms that ask for more keys first, then by name: the order must not hang on how a file was written.
    specs.sort(key=lambda spec: (-spec.keys.count("'"), spec.name))
    conversations = [spec for spec in specs if not isinstance(spec, Text)]
    return (*_CONVERSATIONS, *conversations, *_TEXTS, *(spec for spec in specs if isinstance(spec, Text)))


def load_declared(world: World) -> dict[str, dict[str, str]]:
    """The entries of the shipped `datasets.yaml` and the world's, as an order carries them; the world's win.

    Raises strict.BadConfig naming file, key and what is allowed.
    """
    found: dict[str, dict[str, str]] = {}
    for path in (SHIPPED_FILE, world.home / "datasets.yaml"):
        for name, keys in read_yaml(path).items():
            _spec(name, keys, source=str(path))
            found[name] = {key: value for key, value in keys.items() if value is not None}
    return dict(sorted(found.items()))


def _spec(name: Any, keys: Any, *, source: str) -> DatasetSpec:
    if not isinstance(name, str) or not _NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise strict.BadConfig(
            f"{source}: {strict.shown(name)} is no name of a form; allowed are up to {LONGEST_NAME} lower-case "
            "letters, digits and single '-', a letter first"
        )
    if name in {spec.name for spec in BUILT_IN}:
        raise strict.BadConfig(f"{source}: {name}: this form is built in; give yours another name")
    declared = strict.read(Declared, keys, source=f"{source}: {name}")
    _check_reachable(declared, source=f"{source}: {name}")
    if declared.messages:
        return Messages(name, declared.messages)
    if declared.text:
        return Text(name, declared.text)
    return QuestionAnswer(name, declared)


def _check_reachable(declared: Declared, *, source: str) -> None:
    sample = {key: "" for key in (declared.user, declared.assistant, declared.messages, declared.text) if key}
    if claimed := next((spec.name for spec in BUILT_IN if _claims(spec, sample)), None):
        raise strict.BadConfig(f"{source}: rows with these keys are read as {claimed}, which is built in; leave it out")


def _claims(spec: DatasetSpec, value: dict[str, Any]) -> bool:
    try:
        return spec.read(value) is not None
    except BadRow:
        return True


def text(value: Any, where: str) -> str:
    """`value` if it is a text that can be written as UTF-8. Raises BadRow naming the key."""
    if not isinstance(value, str):
        raise BadRow(f"{where}: a text is expected, not {kind_of(value)}", Kind.TYPE)
    if value.isascii():
        return value
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise BadRow(f"{where}: half of a surrogate pair at character {error.start + 1}", Kind.SURROGATE) from error
    return value


def kind_of(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _joined(question: str, context: str) -> str:
    return f"{question}\n\n{context}" if context else question


def _with_system(value: dict[str, Any], messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """A text that stands beside the conversation under `system` is its first message."""
    system = text(value.get("system", ""), "system")
    if not system or messages[0] == Message("system", system):
        return messages
    if messages[0].role == "system":
        raise BadRow("a system text stands beside the conversation and another one in it; keep one")
    return Message("system", system), *messages


def _messages(value: Any, key: str) -> tuple[Message, ...]:
    if not isinstance(value, list) or not value:
        found = "an empty one" if value == [] else kind_of(value)
        kind = Kind.EMPTY if value == [] else Kind.TYPE
        raise BadRow(f"{key}: a non-empty list of messages is expected, not {found}", kind)
    return tuple(_usual_message(item) or _message(item, f"{key}[{index}]") for index, item in enumerate(value))


def _usual_message(value: Any) -> Message | None:
    """Just a role and a text, as almost all are; None for whatever has to be looked at closely."""
    if type(value) is not dict or len(value) != 2:
        return None
    role, content = value.get("role"), value.get("content")
    if type(role) is str and role in _ROLE_OF and type(content) is str and content.isascii():
        return Message(_ROLE_OF[role], content)
    return None


def _message(value: Any, where: str) -> Message:
    if not isinstance(value, dict):
        raise BadRow(f"{where}: an object with role and content is expected, not {kind_of(value)}", Kind.TYPE)
    if "from" in value and "role" not in value:
        role = _role(value["from"], _SPEAKER_OF, f"{where}: from")
        return Message(role, _content(value.get("value"), f"{where}.value"))
    role = _role(value.get("role"), _ROLE_OF, f"{where}: role")
    _refuse_unhonoured(value, where)
    said = _thought(value, where) + _content(value.get("content"), f"{where}.content")
    return Message(role, said, given=_is_given(value.get("weight"), role, where))


def _is_given(weight: Any, role: str, where: str) -> bool:
    """OpenAI's `weight`: an answer of weight 0 is read and not learned."""
    if weight not in (None, 0, 1) or isinstance(weight, bool):
        raise BadRow(f"{where}: weight {weight!r} is not allowed; allowed are 0 and 1", Kind.UNSUPPORTED)
    return weight == 0 and role == "assistant"


def _refuse_unhonoured(message: dict[str, Any], where: str) -> None:
    if message.get("tool_calls") or message.get("function_call"):
        raise BadRow(f"{where}: tool calls are not trained on yet; leave the row out", Kind.TOOL_CALL)


def _role(value: Any, roles: Mapping[str, str], where: str) -> str:
    role = roles.get(value) if isinstance(value, str) else None
    if role is None:
        if isinstance(value, str) and value in _TOOL_ROLES:
            raise BadRow(
                f"{where} {value!r} is a tool's turn, which is not trained on yet; leave the row out", Kind.TOOL_CALL
            )
        raise BadRow(f"{where} {_quoted(value)} is not allowed; allowed are {', '.join(roles)}", Kind.ROLE)
    return role


def _quoted(value: Any) -> str:
    return repr(value) if isinstance(value, str | None) else f"that is {kind_of(value)}"


_THOUGHTS = ("reasoning_content", "reasoning", "thinking")


def _thought(message: dict[str, Any], where: str) -> str:
    """What the model thought before its answer, where it stands under a key of its own: as Qwen3's template puts it."""
    for key in _THOUGHTS:
        if thought := message.get(key):
            if message["role"] != "assistant":
                raise BadRow(f"{where}.{key}: only an assistant thinks aloud; leave it out")
            return f"<think>\n{text(thought, f'{where}.{key}').strip()}\n</think>\n\n"
    return ""


def _content(value: Any, where: str) -> str:
    """A text, or OpenAI's list of parts, of which only those of type text can be trained on."""
    if not isinstance(value, list):
        return text(value, where)
    return "".join(_part(part, f"{where}[{index}]") for index, part in enumerate(value))


def _part(value: Any, where: str) -> str:
    if not isinstance(value, dict):
        raise BadRow(f"{where}: an object with type and text is expected, not {kind_of(value)}", Kind.TYPE)
    if value.get("type") != "text":
        found = _quoted(value.get("type"))
        raise BadRow(f"{where}: type {found} cannot be trained on; allowed is text", Kind.UNSUPPORTED)
    return text(value.get("text"), f"{where}.text")


def _refuse_tools(value: dict[str, Any]) -> None:
    for key in ("tools", "functions"):
        # Some data sets write the list as a text.
        if value.get(key) not in (None, "", "[]", [], {}):
            raise BadRow(f"{key}: rows that offer tools are not trained on yet; leave the row out", Kind.TOOL_CALL)


Specs = Sequence[DatasetSpec]
