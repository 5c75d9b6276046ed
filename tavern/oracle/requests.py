"""What `/oracle/load` and `/oracle/chat` are sent, as JSON or as the page's form, strictly read."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Annotated, Any, TypeVar

from django.http import HttpRequest
from pydantic import AfterValidator, model_validator

from realm import strict
from realm.oracle.wire import Sampling
from realm.strict import BadConfig
from realm.web import bodies
from realm.web.bodies import Body, between
from tavern.json_or_form import BadOrder, is_json, json_body
from tavern.models import Answer

LONGEST_MESSAGE = 100_000
LARGEST_STEP = 2**63 - 1
SOURCE = "request"
T = TypeVar("T", "LoadOrder", "ChatOrder")


def _check_key(key: str) -> str:
    with suppress(ValueError):
        if str(uuid.UUID(key)) == key:
            return key
    raise ValueError(f"{strict.shown(key)} is no UUID")


def _check_step(step: int) -> int:
    if not 0 <= step <= LARGEST_STEP:
        raise ValueError(f"{strict.shown(step)} is no step; allowed is 0, the base model, or more")
    return step


def _check_message(message: str) -> str:
    if not message.strip():
        raise ValueError("there is nothing in it")
    if len(message) > LONGEST_MESSAGE:
        raise ValueError(f"it is too long; allowed are {LONGEST_MESSAGE:,} characters")
    if "\x00" in message:
        raise ValueError("it must not contain the character U+0000")
    return message


Key = Annotated[str, AfterValidator(_check_key)]


class LoadOrder(Body):
    step: Annotated[int, AfterValidator(_check_step)]
    """0 is the base model."""
    host: str | None = None
    hero: str | None = None
    name: str | None = None
    """Of the checkpoint, where several are of one step, also as `?name=`; else the active branch's is meant."""
    conversation: Key | None = None
    """Where the answer is kept, and where the page goes back to. Without one nothing is kept."""


class ChatOrder(LoadOrder, Sampling):
    message: Annotated[str, AfterValidator(_check_message)]
    stream: bool = False
    """Answer as one JSON object a line: who answers, `{"text"}` for each piece, and the whole reply at the end."""
    question: Key | None = None
    """Two sides that send the same one answer the same question."""
    side: Annotated[int, between(0, 1)] = Answer.Side.LEFT
    remember: bool = True
    """Whether the model reads what was said before in this conversation."""
    load: bool = False
    """Have it loaded first where it is not."""

    @model_validator(mode="after")
    def _question_in_a_conversation(self) -> ChatOrder:
        if self.question and not self.conversation:
            raise ValueError("question: it needs a conversation")
        return self


def read_load(request: HttpRequest) -> LoadOrder:
    """Raises BadOrder."""
    return _read(LoadOrder, _load_form, request)


def read_chat(request: HttpRequest) -> ChatOrder:
    """Raises BadOrder."""
    return _read(ChatOrder, _chat_form, request)


def _read(kind: type[T], of_form: Callable[[Mapping[str, str]], dict[str, Any]], request: HttpRequest) -> T:
    values = json_body(request) if is_json(request) else of_form(request.POST)
    if isinstance(values, dict) and "name" in request.GET and not values.get("name"):
        values |= {"name": request.GET["name"]}
    if isinstance(values, dict) and values.get("step") in (None, ""):
        raise BadOrder("step is required: a whole number, 0 for the base model.")
    try:
        return bodies.read(kind, values, source=SOURCE, lax=not is_json(request))
    except BadConfig as error:
        raise BadOrder(f"{error}.") from error


def _load_form(form: Mapping[str, str]) -> dict[str, Any]:
    """`checkpoint` is a step and, after a blank, the checkpoint's name; a plain `step` does as well."""
    step, _, name = (form.get("checkpoint") or form.get("step", "")).partition(" ")
    return {"step": step, "name": name or None} | _given(form, "host", "hero", "conversation")


def _chat_form(form: Mapping[str, str]) -> dict[str, Any]:
    wishes = {key: key in form for key in ("remember", "load")}
    chosen = _given(form, "temperature", "top_p", "max_tokens", "seed")
    return {"message": form.get("message", ""), **_load_form(form), **chosen, **wishes}


def _given(form: Mapping[str, str], *keys: str) -> dict[str, Any]:
    return {key: form[key] for key in keys if form.get(key)}
