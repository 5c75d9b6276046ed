"""What `/oracle/load` and `/oracle/chat` are sent, as JSON or as the page's form, strictly read."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson
from django.http import HttpRequest

from realm import strict
from realm.oracle.client import Sampling
from realm.strict import BadConfig
from tavern.models import Answer

LARGEST_BODY_BYTES = 1024**2
LONGEST_MESSAGE = 100_000
LARGEST_STEP = 2**63 - 1
SOURCE = "request"
T = TypeVar("T", "LoadOrder", "ChatOrder")


class BadOrder(ValueError):
    """One sentence for who sent it."""


@dataclass(frozen=True, kw_only=True)
class LoadOrder:
    step: int
    """0 is the base model."""
    host: str | None = None
    hero: str | None = None
    name: str | None = None
    """Of the checkpoint, where several are of one step; the newest otherwise."""
    conversation: str | None = None
    """Which one the page goes back to."""

    def __post_init__(self) -> None:
        _check_step(self.step)
        _check_key("conversation", self.conversation)


@dataclass(frozen=True, kw_only=True)
class ChatOrder:
    message: str
    step: int
    host: str | None = None
    hero: str | None = None
    name: str | None = None
    temperature: float = Sampling.temperature
    top_p: float = Sampling.top_p
    max_tokens: int = Sampling.max_tokens
    seed: int | None = None
    stream: bool = False
    """Answer as one JSON object a line: who answers, `{"text"}` for each piece, and the whole reply at the end."""
    conversation: str | None = None
    """A UUID: the answer is kept there. Without one nothing is kept."""
    question: str | None = None
    """A UUID: two sides that send the same one answer the same question."""
    side: int = Answer.Side.LEFT
    remember: bool = True
    """Whether the model reads what was said before in this conversation."""
    load: bool = False
    """Have it loaded first where it is not."""

    def __post_init__(self) -> None:
        _check_step(self.step)
        if not self.message.strip():
            raise ValueError("message: there is nothing in it")
        if len(self.message) > LONGEST_MESSAGE:
            raise ValueError(f"message: it is too long; allowed are {LONGEST_MESSAGE:,} characters")
        if "\x00" in self.message:
            raise ValueError("message: it must not contain the character U+0000")
        if self.side not in Answer.Side.values:
            raise ValueError(f"side: {strict.shown(self.side)} is not allowed; allowed are 0 and 1")
        _check_key("conversation", self.conversation)
        _check_key("question", self.question)
        if self.question and not self.conversation:
            raise ValueError("question: it needs a conversation")
        self.sampling  # noqa: B018  # it checks its ranges

    @property
    def sampling(self) -> Sampling:
        return Sampling(
            temperature=self.temperature, top_p=self.top_p, max_tokens=self.max_tokens, seed=self.seed
        )  # fmt: skip


def _check_step(step: int) -> None:
    if not 0 <= step <= LARGEST_STEP:
        raise ValueError(f"step: {strict.shown(step)} is no step; allowed is 0, the base model, or more")


def _check_key(name: str, key: str | None) -> None:
    try:
        if key is not None and str(uuid.UUID(key)) != key:
            raise ValueError
    except ValueError:
        raise ValueError(f"{name}: {strict.shown(key)} is no UUID") from None


def is_json(request: HttpRequest) -> bool:
    return request.content_type == "application/json"


def read_load(request: HttpRequest) -> LoadOrder:
    """Raises BadOrder."""
    return _read(LoadOrder, _load_form, request)


def read_chat(request: HttpRequest) -> ChatOrder:
    """Raises BadOrder."""
    return _read(ChatOrder, _chat_form, request)


def _read(kind: type[T], of_form: Callable[[Mapping[str, str]], dict[str, Any]], request: HttpRequest) -> T:
    values = _json_body(request) if is_json(request) else of_form(request.POST)
    if isinstance(values, dict) and values.get("step") is None:
        raise BadOrder("step is required: a whole number, 0 for the base model.")
    try:
        return strict.read(kind, values, source=SOURCE)
    except BadConfig as error:
        raise BadOrder(f"{error}.") from error


def _json_body(request: HttpRequest) -> Any:
    if int(request.META.get("CONTENT_LENGTH") or 0) > LARGEST_BODY_BYTES:
        raise BadOrder(f"The request is too large; at most {LARGEST_BODY_BYTES:,} bytes are read.")
    try:
        return orjson.loads(request.body)  # which takes no lone surrogates: no host and no database could
    except ValueError as error:
        raise BadOrder("The request is no JSON.") from error


def _load_form(form: Mapping[str, str]) -> dict[str, Any]:
    """`checkpoint` is a step and, after a blank, the checkpoint's name; a plain `step` does as well."""
    step, _, name = (form.get("checkpoint") or form.get("step", "")).partition(" ")
    words = {key: form[key] for key in ("host", "hero", "conversation") if form.get(key)}
    return {"step": _whole("checkpoint", step), **({"name": name} if name else {}), **words}


def _chat_form(form: Mapping[str, str]) -> dict[str, Any]:
    numbers: dict[str, Any] = {key: _number(key, form[key]) for key in ("temperature", "top_p") if form.get(key)}
    numbers |= {key: _whole(key, form[key]) for key in ("max_tokens", "seed") if form.get(key)}
    wishes = {key: key in form for key in ("remember", "load")}
    return {"message": form.get("message", ""), **_load_form(form), **numbers, **wishes}


def _whole(key: str, text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise BadOrder(f"{key}: a whole number is expected, not {strict.shown(text)}.")
    return int(text)


def _number(key: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise BadOrder(f"{key}: a number is expected, not {strict.shown(text)}.") from None
