"""What was said with the oracle. Each answer keeps who gave it: a checkpoint is pruned one day, its words stay.

Sessions and what lets a phone in stand in `tavern.account.models`, looks in `tavern.presentation.models`, who looks
at the pages in `tavern.away.models`.
"""

from __future__ import annotations

import uuid

from django.db import models

from tavern.account.models import LoginSession, PhoneLink
from tavern.away.models import Visitor
from tavern.presentation.models import PresentationChoice

__all__ = ["Answer", "Conversation", "LoginSession", "PhoneLink", "PresentationChoice", "Question", "Visitor"]


class Conversation(models.Model):
    key = models.UUIDField(default=uuid.uuid4, unique=True)
    title = models.CharField(max_length=80)
    started_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(db_index=True)

    class Meta:
        ordering = ["-changed_at", "-pk"]

    def __str__(self) -> str:
        return self.title


class Question(models.Model):
    """Its answers come from one checkpoint, or from two side by side."""

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="questions")
    key = models.UUIDField(default=uuid.uuid4, unique=True, help_text="Chosen by who asks, so that both sides meet.")
    text = models.TextField()
    asked_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.text[:80]


class Answer(models.Model):
    """What was said, or why nothing was: where nothing proves who answered, it names no model and has no text."""

    class Side(models.IntegerChoices):
        LEFT = 0
        RIGHT = 1

    question = models.ForeignKey(Question, on_delete=models.CASCADE, related_name="answers")
    side = models.PositiveSmallIntegerField(choices=Side.choices, default=Side.LEFT)
    text = models.TextField(blank=True)
    finish_reason = models.CharField(max_length=20, help_text="stop, length, or stopped by the player.")
    host = models.CharField(max_length=40)
    hero = models.CharField(max_length=80)
    step = models.PositiveBigIntegerField()
    model = models.CharField(max_length=400)
    model_path = models.CharField(max_length=4096)
    sha256 = models.CharField(max_length=64, blank=True, help_text="Of the weights; empty from foreign hosts.")
    temperature = models.FloatField()
    top_p = models.FloatField()
    max_tokens = models.PositiveIntegerField()
    seed = models.PositiveBigIntegerField(null=True, blank=True)
    tokens = models.PositiveIntegerField(null=True, blank=True)
    seconds = models.FloatField(null=True, blank=True)
    trouble = models.TextField(blank=True, default="", help_text="Why there is no answer, or no more of it.")
    earlier_turns = models.PositiveIntegerField(null=True, blank=True, help_text="That were read before the question.")
    answered_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["side"]
        constraints = [models.UniqueConstraint(fields=["question", "side"], name="one_answer_a_side")]

    def __str__(self) -> str:
        return f"step {self.step}: {self.text[:60]}"

    @property
    def tokens_per_second(self) -> float | None:
        return self.tokens / self.seconds if self.tokens and self.seconds else None
