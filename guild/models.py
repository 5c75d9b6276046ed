"""What the hero can do: answers judged, levels won."""

from __future__ import annotations

from django.db import models


class Evaluation(models.Model):
    """One checkpoint's answers to the fixed problems of one skill level, judged once."""

    hero = models.CharField(max_length=80)
    checkpoint = models.CharField(max_length=80)
    step = models.PositiveBigIntegerField()
    skill = models.CharField(max_length=40)
    level = models.PositiveSmallIntegerField()
    correct = models.PositiveIntegerField()
    total = models.PositiveIntegerField()
    evaluated_at = models.DateTimeField()
    branch = models.CharField(max_length=20, blank=True, default="", db_default="", help_text="Empty: the first.")
    answered_by = models.CharField(max_length=80, db_default="trainer", default="trainer")
    """A host of configs/hosts.yaml, or `trainer`: the hero itself, between two steps."""
    seconds = models.FloatField(null=True)
    """How long the answering took; None where nobody measured it."""

    class Meta:
        ordering = ["step", "id"]
        constraints = [
            models.UniqueConstraint(fields=["hero", "checkpoint", "skill", "level"], name="evaluated_once"),
        ]

    def __str__(self) -> str:
        return f"{self.checkpoint} {self.skill} level {self.level}: {self.correct}/{self.total}"

    @property
    def accuracy(self) -> float:
        return self.correct / self.total


class SkillProgress(models.Model):
    """The level a hero works on in one skill, on one of its branches; every lower level is won."""

    hero = models.CharField(max_length=80)
    branch = models.CharField(max_length=20, blank=True, default="", db_default="", help_text="Empty: the first.")
    skill = models.CharField(max_length=40)
    level = models.PositiveSmallIntegerField(default=1)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "skill progress"
        constraints = [models.UniqueConstraint(fields=["hero", "branch", "skill"], name="one_progress_a_skill")]

    def __str__(self) -> str:
        return f"{self.hero} {self.skill} level {self.level}"


class EvaluationTask(models.Model):
    """One entry of the evaluation queue: a checkpoint that is to answer one skill level's problems, once."""

    class State(models.TextChoices):
        WAITING = "waiting"
        ANSWERING = "answering"
        DONE = "done"
        FAILED = "failed"

    hero = models.CharField(max_length=80)
    checkpoint = models.CharField(max_length=80)
    step = models.PositiveBigIntegerField()
    skill = models.CharField(max_length=40)
    level = models.PositiveSmallIntegerField()
    branch = models.CharField(max_length=20, blank=True, default="", db_default="", help_text="Empty: the first.")
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    host = models.CharField(max_length=80, blank=True)
    """Who answers or answered; empty while nobody has taken it."""
    attempts = models.PositiveIntegerField(default=0)
    reason = models.TextField(blank=True)
    """Why the last attempt failed, in one sentence."""
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["hero", "checkpoint", "skill", "level"], name="queued_once"),
        ]

    def __str__(self) -> str:
        return f"{self.checkpoint} {self.skill} level {self.level}: {self.state}"


class Run(models.Model):
    """Work of the guild that takes a while and is watched: forging a quest, a trial, a sparring."""

    class Kind(models.TextChoices):
        FORGE = "forge"
        TRIAL = "trial"
        SPARRING = "sparring"

    class State(models.TextChoices):
        WAITING = "waiting"
        RUNNING = "running"
        COMPLETED = "completed"
        STOPPED = "stopped"
        FAILED = "failed"

    kind = models.CharField(max_length=10, choices=Kind)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    title = models.CharField(max_length=160)
    parameters = models.JSONField(default=dict)
    """What was asked for, as the kind's dataclass wrote it."""
    results = models.JSONField(default=dict)
    """What came of it; partial while it runs."""
    progress_done = models.PositiveIntegerField(default=0)
    progress_total = models.PositiveIntegerField(default=0)
    message = models.TextField(blank=True)
    """What it does now; where it failed, why."""
    stop_asked = models.BooleanField(default=False)
    pid = models.PositiveIntegerField(null=True)
    created_by = models.CharField(max_length=80)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    heartbeat_at = models.DateTimeField(null=True)
    """The last sign of life; a run whose process died is told from one that works by this and `pid`."""
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}: {self.title} ({self.state})"

    @property
    def is_over(self) -> bool:
        return self.state in (self.State.COMPLETED, self.State.STOPPED, self.State.FAILED)
