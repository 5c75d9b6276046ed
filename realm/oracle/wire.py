"""What is said between an inference host and those who ask it; both ends read it here.

Requests are read strictly. Of replies, which may come from any server, what is unknown is left out, and what is needed
must be right.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    field_validator,
    model_validator,
)

from realm import strict
from realm.web.bodies import Body, allowed, between, counted

LARGEST_REQUEST_BYTES = 8 * 1024**2
MOST_PROMPTS = 10_000
MOST_MESSAGES = 10_000
MOST_NEW_TOKENS = 100_000
DEFAULT_NEW_TOKENS = 512
_MOST_STOPS, _LONGEST_STOP = 16, 200

Role = Literal["system", "developer", "user", "assistant"]
Tokens = Annotated[int, between(1, MOST_NEW_TOKENS)]
Temperature = Annotated[float, between(0, 2)]
TopP = Annotated[float, allowed(lambda value: 0 < value <= 1, "allowed is more than 0, and at most 1")]


class Selector(Body):
    """Which model is meant: by step, by name or by id, of the default hero unless another is named."""

    step: int | None = None
    name: str | None = None
    model: str | None = None
    hero: str | None = None

    @model_validator(mode="after")
    def _says_one_thing(self) -> Selector:
        given = [key for key in ("step", "name", "model") if getattr(self, key) is not None]
        if len(given) != 1:
            told = " and ".join(given) if given else "none"
            raise ValueError(f"exactly one of step, name and model says which checkpoint is meant; {told} was given")
        return self


class AnswersRequest(Body):
    """Of `/v1/answers`: each prompt is one turn of the user's, answered greedily."""

    model: str
    prompts: Annotated[list[str], counted(1, MOST_PROMPTS)]
    max_new_tokens: Tokens


class Turn(Body):
    """Of a conversation. Content in parts of text is read as one text."""

    role: Role
    content: str
    name: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, value: Any) -> Any:
        return {key: each for key, each in value.items() if each is not None} if isinstance(value, dict) else value

    @field_validator("content", mode="before")
    @classmethod
    def _joined(cls, parts: Any) -> Any:
        if not isinstance(parts, list):
            return parts
        for part in parts:
            if not isinstance(part, dict) or part.get("type") != "text" or not isinstance(part.get("text"), str):
                raise ValueError(f"only parts of type text are read here, not {strict.shown(part)}")
        return "".join(part["text"] for part in parts)


class StreamOptions(Body):
    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class Sampling(Body):
    """What a player may choose."""

    temperature: Temperature = 0.7
    top_p: TopP = 1.0
    max_tokens: Annotated[int, between(1, 32_768)] = 256
    seed: Annotated[int, between(0, 2**31 - 1)] | None = None


_HARMLESS = frozenset({
    "user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_retention",
    "parallel_tool_calls",
})  # fmt: skip
"""They change nothing of an answer."""
_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "n": (1,), "logprobs": (False,), "top_logprobs": (0,), "logit_bias": ({},), "frequency_penalty": (0,),
    "presence_penalty": (0,), "tools": ([],), "functions": ([],), "tool_choice": ("none", "auto"),
    "response_format": ({"type": "text"},), "modalities": (["text"],), "echo": (False,), "repetition_penalty": (1,),
    "min_p": (0,),
}  # fmt: skip
"""Values with which what is not done here leaves an answer as it is."""


def _check_turns(turns: list[Turn]) -> list[Turn]:
    if not turns:
        raise ValueError("at least one is needed")
    if turns[-1].role == "assistant":
        raise ValueError("the last one must not be the assistant's, whose turn it is")
    return turns


def _check_stops(stops: list[str] | None) -> list[str] | None:
    if stops and (len(stops) > _MOST_STOPS or not all(1 <= len(stop) <= _LONGEST_STOP for stop in stops)):
        raise ValueError(f"at most {_MOST_STOPS} texts of 1 to {_LONGEST_STOP} characters are allowed")
    return stops


class ChatRequest(Body):
    """Of `/v1/chat/completions`, as OpenAI documents it; `top_k` as vLLM and llama.cpp have it.

    What would change the answer and is not done here is refused, too.
    """

    model: str
    messages: Annotated[list[Turn], counted(0, MOST_MESSAGES), AfterValidator(_check_turns)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Tokens | None = None
    max_completion_tokens: Tokens | None = None
    temperature: Temperature | None = None
    top_p: TopP | None = None
    top_k: Annotated[int, between(-1, 2**31)] | None = None
    seed: Annotated[int, between(-(2**63), 2**63 - 1)] | None = None
    stop: Annotated[list[str] | None, counted(0, _MOST_STOPS), AfterValidator(_check_stops)] = None

    @model_validator(mode="before")
    @classmethod
    def _without_what_changes_nothing(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        for key, neutral in _NEUTRAL.items():
            if value.get(key) is not None and value[key] not in neutral:
                raise ValueError(f"{key}: {strict.shown(value[key])} is not done here, and would change the answer")
        return {key: each for key, each in value.items() if key not in _HARMLESS and key not in _NEUTRAL}

    @field_validator("stop", mode="before")
    @classmethod
    def _listed(cls, stop: Any) -> Any:
        return [stop] if isinstance(stop, str) else stop

    @property
    def max_new_tokens(self) -> int:
        return self.max_completion_tokens or self.max_tokens or DEFAULT_NEW_TOKENS

    @property
    def include_usage(self) -> bool:
        return bool(self.stream_options and self.stream_options.include_usage)


Text = Annotated[StrictStr, Field(max_length=1_000_000)]
Name = Annotated[StrictStr, Field(min_length=1, max_length=400)]
Place = Annotated[StrictStr, Field(min_length=1, max_length=4096)]
Step = Annotated[StrictInt, Field(ge=0, lt=10**18)]
Digest = Annotated[StrictStr, Field(pattern=r"^[0-9a-f]{64}$")]


class _Said(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, protected_namespaces=(), from_attributes=True)


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


class LoadedModel(_Said):
    id: Name
    hero: str
    step: Step
    name: Name
    model_path: Place
    sha256: Digest | None
    """Digest of the weights; None at a host that only names its models."""


class RealmModel(LoadedModel):
    hero: Name
    sha256: Digest


class RealmModels(_Said):
    models: list[RealmModel]


class Witness(_Said):
    """Which weights answered."""

    hero: Name
    step: Step
    name: Name | None = None
    model_path: Place
    sha256: Digest


class Answers(_Said):
    model: Name
    step: Step
    sha256: Digest
    answers: list[Text]


class ServedModel(_Said):
    id: Name
    root: Place | None = None
    """Of vLLM: the folder that it loaded."""


class ServedModels(_Said):
    data: list[ServedModel]


class _LlamaParams(_Said):
    lora: list[dict[str, Any]] = Field(default_factory=list)


class _LlamaSettings(_Said):
    params: _LlamaParams = _LlamaParams()


class LlamaProps(_Said):
    """Of llama.cpp's `/props`."""

    model_path: Place
    model_alias: Name
    default_generation_settings: _LlamaSettings = _LlamaSettings()

    @property
    def adapters(self) -> list[dict[str, Any]]:
        """Laid over its file by its settings, each with its `scale`."""
        return self.default_generation_settings.params.lora


class OllamaTag(_Said):
    name: Name


class OllamaTags(_Said):
    """Of Ollama's `/api/tags`."""

    models: list[OllamaTag]


class OllamaShown(_Said):
    """Of Ollama's `/api/show`."""

    modelfile: Text


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
