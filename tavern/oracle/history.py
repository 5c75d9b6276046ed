"""Conversations with the oracle: kept, read, renamed, deleted."""

from __future__ import annotations

import uuid

from django.db import transaction
from django.db.models import Prefetch, QuerySet
from django.utils import timezone

from realm.oracle.client import Ending
from realm.oracle.wire import LoadedModel, Turn
from tavern.models import Answer, Conversation, Question
from tavern.oracle.requests import ChatOrder

LONGEST_TITLE = 80
MOST_REMEMBERED = 50
"""Newest exchanges that are sent along; a model's context ends long before."""
STOPPED, BROKEN = "stopped", "broken off"


class AnotherQuestion(ValueError):
    """A key that belongs to a question of another conversation, or of other words."""


@transaction.atomic
def keep(
    order: ChatOrder,
    *,
    host: str,
    model: LoadedModel | None,
    text: str = "",
    ending: Ending | None = None,
    earlier_turns: int | None = None,
    trouble: str = "",
) -> None:
    """One answer, with its question and conversation where they are new, in place of an earlier try at it.

    Without an `ending` it was stopped, or broke off for `trouble`. Raises AnotherQuestion.
    """
    assert order.conversation
    now = timezone.now()
    conversation, new = Conversation.objects.get_or_create(
        key=order.conversation, defaults={"title": title_of(order.message) or "…", "changed_at": now}
    )
    if not new:
        Conversation.objects.filter(pk=conversation.pk).update(changed_at=now)
    question, _ = Question.objects.get_or_create(
        key=order.question or uuid.uuid4(), defaults={"conversation": conversation, "text": order.message}
    )
    if question.conversation_id != conversation.pk or question.text != order.message:
        raise AnotherQuestion("question: that key belongs to another question")
    speaker = model if text or ending else None  # who was asked has not answered yet
    cut = BROKEN if trouble else STOPPED
    Answer.objects.update_or_create(
        question=question,
        side=order.side,
        defaults={
            "text": text.replace("\x00", "\ufffd"),  # not every database takes it
            "finish_reason": ((ending.finish_reason if ending else None) or cut)[:20],
            "host": host[:40],
            "hero": (speaker.hero if speaker else order.hero or "")[:80],
            "step": order.step,
            "model": speaker.id if speaker else "",
            "model_path": speaker.model_path if speaker else "",
            "sha256": (speaker.sha256 if speaker else None) or "",
            "temperature": order.temperature,
            "top_p": order.top_p,
            "max_tokens": order.max_tokens,
            "seed": order.seed,
            "tokens": ending.answer_tokens if ending else None,
            "seconds": ending.seconds if ending else None,
            "trouble": trouble,
            "earlier_turns": earlier_turns if speaker else None,
        },
    )


def title_of(message: str) -> str:
    words = " ".join("".join(letter if letter.isprintable() else " " for letter in message).split())
    return words if len(words) <= LONGEST_TITLE else f"{words[: LONGEST_TITLE - 1]}…"


def turns(order: ChatOrder) -> list[Turn]:
    """What the model reads: what this side answered before, then the message."""
    asked = [Turn(role="user", content=order.message)]
    if not (order.remember and order.conversation):
        return asked
    answers = Answer.objects.filter(question__conversation__key=order.conversation, side=order.side).exclude(text="")
    if order.question:
        answers = answers.exclude(question__key=order.question)
    newest = list(answers.select_related("question").order_by("-question_id")[:MOST_REMEMBERED])
    said = [
        turn
        for answer in reversed(newest)
        for turn in (Turn(role="user", content=answer.question.text), Turn(role="assistant", content=answer.text))
    ]
    return said + asked


def conversations() -> QuerySet[Conversation]:
    """Newest first."""
    return Conversation.objects.all()


def find(key: uuid.UUID) -> Conversation | None:
    return Conversation.objects.filter(key=key).first()


def questions_of(conversation: Conversation) -> QuerySet[Question]:
    return conversation.questions.prefetch_related(Prefetch("answers", Answer.objects.order_by("side")))


def rename(conversation: Conversation, title: str) -> bool:
    """False for a title of nothing."""
    words = title_of(title)
    if words:
        Conversation.objects.filter(pk=conversation.pk).update(title=words)
    return bool(words)


def delete(conversation: Conversation) -> None:
    conversation.delete()
