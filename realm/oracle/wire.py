"""What inference hosts say, as pydantic reads it: what is unknown is left out, what is needed must be right."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr

Text = Annotated[StrictStr, Field(max_length=1_000_000)]
Name = Annotated[StrictStr, Field(min_length=1, max_length=400)]
Place = Annotated[StrictStr, Field(min_length=1, max_length=4096)]
Step = Annotated[StrictInt, Field(ge=0, lt=10**18)]
Digest = Annotated[StrictStr, Field(pattern=r"^[0-9a-f]{64}$")]


class _Said(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, protected_namespaces=())


class Done(_Said):
    """Nothing of it matters."""


class Health(_Said):
    status: Name
    host: str | None = None
    device: str | None = None
    loaded: StrictInt | None = None
    memory_bytes: StrictInt | None = None
    budget_bytes: StrictInt | None = None
    busy: StrictBool | None = None


class RealmModel(_Said):
    id: Name
    hero: Name
    step: Step
    name: Name
    model_path: Place
    sha256: Digest


class RealmAvailable(_Said):
    name: Name
    hero: Name
    step: Step


class RealmModels(_Said):
    models: list[RealmModel]
    available: list[RealmAvailable] = []


class Witness(_Said):
    """Which weights answered."""

    hero: Name
    step: Step
    model_path: Place
    sha256: Digest


class Answers(_Said):
    model: Name
    step: Step
    sha256: Digest
    answers: list[Text]


class ServedModel(_Said):
    id: Name


class ServedModels(_Said):
    data: list[ServedModel]


class _Message(_Said):
    content: Text | None = None


class _Choice(_Said):
    message: _Message = _Message()
    delta: _Message = _Message()
    finish_reason: str | None = None


class Usage(_Said):
    prompt_tokens: StrictInt = 0
    completion_tokens: StrictInt = 0


class Completion(_Said):
    """A whole answer, or one piece of a streamed one."""

    model: Name
    choices: list[_Choice]
    usage: Usage | None = None
    realm: Witness | None = None

    @property
    def text(self) -> str:
        """Of the first choice; no more than one is ever asked for."""
        choice = self.choices[0] if self.choices else _Choice()
        return choice.message.content or choice.delta.content or ""

    @property
    def finish_reason(self) -> str | None:
        return self.choices[0].finish_reason if self.choices else None


def refusal(value: Any) -> str:
    """What a host says with an error, in any of the usual shapes; empty where it says nothing."""
    if not isinstance(value, dict):
        return ""
    for key in ("error", "detail", "message"):
        told = value.get(key)
        told = told.get("message") if isinstance(told, dict) else told
        if isinstance(told, str) and told.strip():
            return one_line(told)
    return ""


def code(value: Any) -> str:
    """OpenAI's short name of an error, empty where there is none."""
    error = value.get("error") if isinstance(value, dict) else None
    told = error.get("code") if isinstance(error, dict) else None
    return told if isinstance(told, str) else ""


def one_line(text: str, *, longest: int = 300) -> str:
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text[: 4 * longest]).split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"
