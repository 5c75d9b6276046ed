"""What is asked, strictly read: frozen dataclasses out of JSON bodies of bounded size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import orjson
from starlette.requests import Request

from arena.oracle.rows import Sampling
from arena.oracle.trouble import BadRequest, TooLarge
from arena.rows.model import Message
from realm import strict

LARGEST_BODY_BYTES = 8 * 1024**2
MOST_PROMPTS = 10_000
MOST_NEW_TOKENS = 100_000
DEFAULT_NEW_TOKENS = 512
LEAST_TEMPERATURE = 1e-3
"""Below it the likeliest token is drawn anyway, and dividing by it leaves the range of float32."""
_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
_MOST_STOPS, _LONGEST_STOP = 16, 200

T = TypeVar("T")


async def read_json(request: Request) -> dict[str, Any]:
    """Raises BadRequest, or TooLarge before more than the limit lies in memory."""
    data = bytearray()
    async for piece in request.stream():
        data += piece
        if len(data) > LARGEST_BODY_BYTES:
            raise TooLarge(f"a request holds at most {LARGEST_BODY_BYTES} bytes")
    try:
        value = orjson.loads(data)  # which takes no lone surrogates: no tokenizer could
    except ValueError as error:
        raise BadRequest(f"the body is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise BadRequest("the body must be a JSON object")
    return value


def read(cls: type[T], value: Mapping[str, Any]) -> T:
    """Raises BadRequest."""
    try:
        return strict.read(cls, value, source="request")
    except strict.BadConfig as error:
        raise BadRequest(str(error).removeprefix("request: ")) from error


@dataclass(frozen=True, kw_only=True)
class AnswersAsked:
    """Of `/v1/answers`: each prompt is one turn of the user's, answered greedily."""

    model: str
    prompts: tuple[str, ...]
    max_new_tokens: int

    def __post_init__(self) -> None:
        if not 1 <= len(self.prompts) <= MOST_PROMPTS:
            raise ValueError(f"prompts: 1 to {MOST_PROMPTS} are answered at once, not {len(self.prompts)}")
        _check_range("max_new_tokens", self.max_new_tokens, 1, MOST_NEW_TOKENS)


@dataclass(frozen=True, kw_only=True)
class _StreamOptions:
    include_usage: bool | None = None
    include_obfuscation: bool | None = None


@dataclass(frozen=True, kw_only=True)
class _Spoken:
    role: str
    content: str
    name: str | None = None

    def __post_init__(self) -> None:
        if self.role not in _ROLES:
            raise ValueError(f"role: {self.role!r} is not known here; allowed are {', '.join(_ROLES)}")


@dataclass(frozen=True, kw_only=True)
class ChatAsked:
    """Of `/v1/chat/completions`, as OpenAI documents it; `top_k` as vLLM and llama.cpp have it."""

    model: str
    messages: tuple[_Spoken, ...]
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if not self.messages:
            raise ValueError("messages: at least one is needed")
        if self.messages[-1].role == "assistant":
            raise ValueError("messages: the last one must not be the assistant's, whose turn it is")
        for name in ("max_tokens", "max_completion_tokens"):
            if (tokens := getattr(self, name)) is not None:
                _check_range(name, tokens, 1, MOST_NEW_TOKENS)
        if self.temperature is not None:
            _check_range("temperature", self.temperature, 0, 2)
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ValueError(f"top_p: {self.top_p} is not allowed; allowed is more than 0, and at most 1")
        if self.top_k is not None:
            _check_range("top_k", self.top_k, -1, 2**31)
        if self.seed is not None:
            _check_range("seed", self.seed, -(2**63), 2**63 - 1)
        if len(self.stop) > _MOST_STOPS or not all(1 <= len(each) <= _LONGEST_STOP for each in self.stop):
            raise ValueError(f"stop: at most {_MOST_STOPS} texts of 1 to {_LONGEST_STOP} characters are allowed")

    @property
    def max_new_tokens(self) -> int:
        return self.max_completion_tokens or self.max_tokens or DEFAULT_NEW_TOKENS

    @property
    def include_usage(self) -> bool:
        return bool(self.stream_options and self.stream_options.include_usage)

    @property
    def conversation(self) -> list[Message]:
        return [Message(_ROLES[each.role], each.content) for each in self.messages]

    @property
    def sampling(self) -> Sampling | None:
        """None: greedy. Temperature is 1 where none is given, as with OpenAI."""
        temperature = 1.0 if self.temperature is None else self.temperature
        if temperature < LEAST_TEMPERATURE:
            return None
        chosen: dict[str, Any] = {"temperature": temperature, "top_k": max(self.top_k or 0, 0)}
        if self.top_p is not None:
            chosen["top_p"] = self.top_p
        if self.seed is not None:
            chosen["seed"] = self.seed % 2**64
        return Sampling(**chosen)


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


def read_chat(value: Mapping[str, Any]) -> ChatAsked:
    """Raises BadRequest: for all that would change the answer and is not done here, too."""
    asked = {}
    for key, given in value.items():
        if key in _HARMLESS or (key in _NEUTRAL and given is None):
            continue
        if key not in _NEUTRAL:
            asked[key] = given
        elif given not in _NEUTRAL[key]:
            raise BadRequest(f"{key}: {strict.shown(given)} is not done here, and would change the answer")
    if isinstance(asked.get("messages"), list):
        asked["messages"] = [_plain(message) for message in asked["messages"]]
    stop = asked.get("stop")
    asked["stop"] = [stop] if isinstance(stop, str) else stop or []
    return read(ChatAsked, asked)


def _plain(message: Any) -> Any:
    """A message whose content comes in parts of text gets one text; whatever else is wrong is told later."""
    if not isinstance(message, dict):
        return message
    kept = {key: value for key, value in message.items() if value is not None}
    parts = message.get("content")
    if not isinstance(parts, list):
        return kept
    for part in parts:
        if not isinstance(part, dict) or part.get("type") != "text" or not isinstance(part.get("text"), str):
            raise BadRequest(f"messages: only parts of type text are read here, not {strict.shown(part)}")
    return kept | {"content": "".join(part["text"] for part in parts)}


def _check_range(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise ValueError(f"{name}: {value} is not allowed; allowed are {least} to {most}")
