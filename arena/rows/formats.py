"""The forms a row may have, in the order in which they are tried. Whatever none of them claims is refused.

A new form is one small class in BUILT_IN, or an entry of `configs/datasets.yaml` or the world's `datasets.yaml`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

from arena.rows.model import BadRow, Content, Kind, Message, Notes
from arena.rows.texts import text
from arena.rows.turns import conversation
from realm import strict
from realm.world import CHECKOUT, World
from realm.yaml_files import read_yaml

SHIPPED_FILE = CHECKOUT / "configs" / "datasets.yaml"
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LONGEST_NAME = 40


class DatasetSpec(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def keys(self) -> str:
        """The keys it goes by, as an error names them."""

    def own(self, value: dict[str, Any]) -> frozenset[str] | None:
        """The keys of the row that it reads; None if the row is of another form."""

    def read(self, value: dict[str, Any], notes: Notes) -> Content:
        """What a row of this form says under its own keys. Raises BadRow if it is broken."""


@dataclass(frozen=True)
class Messages:
    """A list of turns, under role/content as in OpenAI's chat form or from/value as in ShareGPT's."""

    name: str = "messages"
    key: str = "messages"

    @property
    def keys(self) -> str:
        return repr(self.key)

    def own(self, value: dict[str, Any]) -> frozenset[str] | None:
        return frozenset({self.key}) if self.key in value else None

    def read(self, value: dict[str, Any], notes: Notes) -> Content:
        return conversation(value[self.key], self.key, notes)


class PromptCompletion:
    name, keys = "prompt-completion", "'prompt' with 'completion'"

    def own(self, value: dict[str, Any]) -> frozenset[str] | None:
        return _all_of(value, "prompt", "completion")

    def read(self, value: dict[str, Any], notes: Notes) -> Content:
        prompt, completion = value["prompt"], value["completion"]
        if isinstance(prompt, list) and isinstance(completion, list):
            # As in TRL only the completion is trained on, whoever speaks in the prompt.
            asked = conversation(prompt, "prompt", notes)
            given = tuple(replace(said, given=said.role == "assistant") for said in asked)
            return given + conversation(completion, "completion", notes)
        if isinstance(prompt, list) or isinstance(completion, list):
            raise BadRow("prompt and completion must both be texts or both be lists of messages", Kind.TYPE)
        return Message("user", text(prompt, "prompt")), Message("assistant", text(completion, "completion"))


class Alpaca:
    name, keys = "alpaca", "'instruction' with 'output'"

    def own(self, value: dict[str, Any]) -> frozenset[str] | None:
        return _all_of(value, "instruction", "output", optional="input")

    def read(self, value: dict[str, Any], notes: Notes) -> Content:
        question = _joined(text(value["instruction"], "instruction"), text(value.get("input", ""), "input"))
        return Message("user", question), Message("assistant", text(value["output"], "output"))


@dataclass(frozen=True)
class Text:
    """Plain text, every token of which is trained on."""

    name: str = "text"
    key: str = "text"

    @property
    def keys(self) -> str:
        return repr(self.key)

    def own(self, value: dict[str, Any]) -> frozenset[str] | None:
        return frozenset({self.key}) if self.key in value else None

    def read(self, value: dict[str, Any], notes: Notes) -> Content:
        return text(value[self.key], self.key)


# Text comes last: data sets often keep the whole conversation once more under that key.
_CONVERSATIONS: tuple[DatasetSpec, ...] = (
    Messages(),
    PromptCompletion(),
    Alpaca(),
    Messages("sharegpt", "conversations"),
)
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

    def own(self, value: dict[str, Any]) -> frozenset[str] | None:
        declared = self.declared
        found = _all_of(value, str(declared.user), str(declared.assistant))
        return found and found | {key for key in (declared.context, declared.system) if key}

    def read(self, value: dict[str, Any], notes: Notes) -> Content:
        user, assistant = str(self.declared.user), str(self.declared.assistant)
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
    if claimed := next((spec.name for spec in BUILT_IN if spec.own(sample) is not None), None):
        raise strict.BadConfig(f"{source}: rows with these keys are read as {claimed}, which is built in; leave it out")


def _all_of(value: dict[str, Any], *keys: str, optional: str = "") -> frozenset[str] | None:
    return frozenset({*keys, optional}) if all(key in value for key in keys) else None


def _joined(question: str, context: str) -> str:
    return f"{question}\n\n{context}" if context else question


Specs = Sequence[DatasetSpec]
