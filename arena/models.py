"""Index of quests and battles. The truth is in the world's folders; `arena.daemon.recovery` aligns these rows."""

from __future__ import annotations

from typing import Any

from django.db import models, transaction

from realm import bell
from realm.databases import database

TURN = "chronicle"
"""Of those who write to the chronicle, one after the other."""


class Quest(models.Model):
    """A training data file and where it stands in the queue."""

    class State(models.TextChoices):
        ARRIVED = "arrived"
        """Its file is seen; the gatekeepers look at it, or will."""
        INSPECTED = "inspected"
        """Looked at and on hold until the player releases it."""
        QUEUED = "queued"
        BATTLING = "battling"
        COMPLETED = "completed"
        FAILED = "failed"
        CANCELLED = "cancelled"

    class Priority(models.TextChoices):
        HIGH = "high"
        NORMAL = "normal"
        LOW = "low"

    name = models.CharField(max_length=255)
    sha256 = models.CharField(max_length=64, db_index=True)
    priority = models.CharField(max_length=6, choices=Priority, default=Priority.NORMAL)
    state = models.CharField(max_length=9, choices=State, default=State.QUEUED, db_index=True)
    position = models.PositiveBigIntegerField(
        default=0, db_default=0, help_text="Place among the waiting ones of its priority."
    )
    file = models.CharField(max_length=1024, help_text="Relative to the world's queue folder.")
    data_format = models.CharField(max_length=40, blank=True)
    rows = models.PositiveIntegerField(default=0)
    taken = models.PositiveIntegerField(default=0)
    warned = models.PositiveIntegerField(default=0, db_default=0, help_text="Rows that are taken with a warning.")
    held_out = models.PositiveIntegerField(
        default=0, db_default=0, help_text="Rows that are never trained on and measure what it teaches."
    )
    tokens = models.PositiveBigIntegerField(null=True, blank=True)
    trained_tokens = models.PositiveBigIntegerField(null=True, blank=True)
    steps = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="Of all epochs, by the recipe then in force."
    )
    size_bytes = models.PositiveBigIntegerField(default=0)
    job = models.CharField(
        max_length=40, blank=True, default="", db_default="", db_index=True, help_text="Id, where it was asked for."
    )
    skill = models.CharField(max_length=40, blank=True)
    level = models.PositiveSmallIntegerField(null=True, blank=True)
    reason = models.TextField(blank=True, help_text="Why it failed or was cancelled, for the player.")
    refusal = models.CharField(
        max_length=40, blank=True, db_default="", help_text="Kind of that reason where the gatekeepers gave it."
    )
    arrived_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.name


class Battle(models.Model):
    """One training run on one quest; its past lies in `battles/<battle_id>/`."""

    class State(models.TextChoices):
        TRAINING = "training"
        PAUSED = "paused"
        STOPPED = "stopped"
        COMPLETED = "completed"
        FAILED = "failed"

    battle_id = models.CharField(max_length=80, unique=True)
    quest = models.ForeignKey(Quest, on_delete=models.CASCADE, related_name="battles")
    hero = models.CharField(max_length=80)
    branch = models.CharField(max_length=20, blank=True, default="", db_default="", help_text="Empty: the first.")
    state = models.CharField(max_length=9, choices=State, default=State.TRAINING, db_index=True)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    first_step = models.PositiveBigIntegerField(null=True, blank=True, help_text="Hero step before its first step.")
    total_steps = models.PositiveIntegerField(null=True, blank=True)
    events_offset = models.PositiveBigIntegerField(default=0, help_text="Bytes of events.jsonl taken in so far.")

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.battle_id


class BattleRecord(models.Model):
    """What is known of a battle beside its state: the player's words, its figures. Its folder has the truth of both."""

    battle = models.OneToOneField(Battle, on_delete=models.CASCADE, primary_key=True, related_name="record")
    label = models.CharField(max_length=120, blank=True, default="", db_default="", help_text="Shown as its name.")
    note = models.TextField(blank=True, default="", db_default="")
    tags = models.CharField(
        max_length=500, blank=True, default="", db_default="", help_text="With a blank before and behind each."
    )
    figures = models.JSONField(null=True, blank=True, help_text="Of a battle that is over; reckoned when first shown.")
    deleted_at = models.DateTimeField(null=True, blank=True, db_index=True)

    def __str__(self) -> str:
        return self.label or self.battle.battle_id


class ChronicleEntry(models.Model):
    """Something worth telling. The row's id is the `seq` that browsers follow."""

    source = models.CharField(max_length=80, help_text="A battle id, or the app that said it.")
    source_seq = models.PositiveBigIntegerField()
    kind = models.CharField(max_length=40, db_index=True)
    time = models.DateTimeField()
    step = models.PositiveBigIntegerField(default=0)
    message = models.CharField(max_length=500)
    data = models.JSONField(default=dict)

    class Meta:
        ordering = ["id"]
        verbose_name_plural = "chronicle entries"
        constraints = [models.UniqueConstraint(fields=["source", "source_seq"], name="chronicle_said_once")]

    def __str__(self) -> str:
        return f"{self.id} {self.kind}: {self.message}"

    def save(self, **options: Any) -> None:
        """A new one's id is above all that anybody can see: who follows ids misses none, whatever else is written."""
        if not self._state.adding:
            super().save(**options)
            return
        with transaction.atomic():
            database.take_turn(TURN)
            super().save(**options)
            bell.ring_on_commit()
