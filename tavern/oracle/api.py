"""`/api/oracle/chat` and `/conversations`: the oracle's page for programs. A step that is not loaded never answers."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.http import Http404, HttpRequest
from ninja import Router, Schema

from tavern.models import Conversation
from tavern.oracle import asking, history, replies
from tavern.oracle.requests import ChatOrder
from vault.api import pages
from vault.api.asking import Liberal
from vault.api.pages import USUAL, Limit, Offset

router = Router()
_EITHER = {"responses": {200: {"content": {"application/x-ndjson": {"schema": {"type": "string"}}}}}}


class ChatReply(Schema):
    success: bool
    model: str
    model_path: str
    hero: str
    step: int
    host: str
    sha256: str | None
    response: str
    finish_reason: str | None
    prompt_tokens: int | None
    tokens: int | None
    seconds: float
    tokens_per_second: float | None
    earlier_turns: int
    forgotten: int
    conversation: str | None


class ConversationTold(Schema):
    key: uuid.UUID
    title: str
    started_at: datetime
    changed_at: datetime


class AnswerTold(Schema):
    side: int
    text: str
    finish_reason: str
    host: str
    hero: str
    step: int
    model: str
    sha256: str
    tokens: int | None
    seconds: float | None
    trouble: str
    answered_at: datetime


class QuestionTold(Schema):
    key: uuid.UUID
    text: str
    asked_at: datetime
    answers: list[AnswerTold]


class WholeConversation(ConversationTold):
    questions: list[QuestionTold]


class Title(Liberal):
    title: str


class ConversationDone(Schema):
    success: bool
    key: uuid.UUID
    message: str


ConversationsPage = pages.page_of(ConversationTold, "conversations")


@router.post("/chat", response=ChatReply, openapi_extra=_EITHER)
async def chat(request: HttpRequest, body: ChatOrder) -> Any:
    """Ask a checkpoint: the whole answer, or with `stream` one JSON object a line as it comes.

    With a `conversation`, a UUID of yours, it is kept, and the model reads what was said before.
    """
    answering = await asking.begin(body)
    if body.stream:
        return replies.streamed(answering)
    return replies.reply(answering, *await asking.whole(answering))


@router.get("/conversations", response=ConversationsPage)
def conversations(request: HttpRequest, limit: Limit = USUAL, offset: Offset = 0) -> Any:
    """Those that changed last first."""
    return pages.cut(history.conversations(), limit=limit, offset=offset, key="conversations", told=_told)


@router.get("/conversations/{uuid:key}", response=WholeConversation)
def conversation(request: HttpRequest, key: uuid.UUID) -> Any:
    """Every question with its answers, and who gave each."""
    found = _find(key)
    return _told(found) | {"questions": [_question(each) for each in history.questions_of(found)]}


@router.put("/conversations/{uuid:key}", response=ConversationDone)
def rename(request: HttpRequest, key: uuid.UUID, body: Title) -> Any:
    """Another title."""
    if not history.rename(_find(key), body.title):
        raise ValueError("title: a conversation needs a name")
    return {"success": True, "key": key, "message": "It is renamed."}


@router.delete("/conversations/{uuid:key}", response=ConversationDone)
def delete(request: HttpRequest, key: uuid.UUID) -> Any:
    """Forget it for good."""
    history.delete(_find(key))
    return {"success": True, "key": key, "message": "It is deleted."}


def _find(key: uuid.UUID) -> Conversation:
    found = history.find(key)
    if found is None:
        raise Http404("that conversation is not known, or no longer")
    return found


def _told(found: Conversation) -> dict[str, Any]:
    return {name: getattr(found, name) for name in ConversationTold.model_fields}


def _question(asked: Any) -> dict[str, Any]:
    answers = [{name: getattr(each, name) for name in AnswerTold.model_fields} for each in asked.answers.all()]
    return {"key": asked.key, "text": asked.text, "asked_at": asked.asked_at, "answers": answers}
