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
    claim = models.CharField(max_length=40, blank=True, default="", db_default="")
    """Job and attempt of the worker that answers (guild.workers.claims); empty where this machine does."""
    answered = models.JSONField(null=True)
    """What a worker wrote of its answers, until they lie in the world of the Task Master."""
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
    process = models.CharField(max_length=60, default="", blank=True)
    """Its identity, since numbers are used again; empty in what began before it was known."""
    claim = models.CharField(max_length=40, blank=True, default="", db_default="")
    """Job and attempt of the worker that performs it (guild.workers.claims); empty where this machine does."""
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


class Made(models.Model):
    """A quest that a worker made, on its way to the inbox of the Task Master's world."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE)
    path = models.CharField(max_length=250)
    """Below the inbox."""
    packed = models.BinaryField()
    """Its rows, gzipped."""

    class Meta:
        verbose_name_plural = "made"

    def __str__(self) -> str:
        return f"{self.path} of run {self.run_id}"


class Worker(models.Model):
    """A process that performs jobs on some machine, as it told itself; its row outlives one that was killed."""

    name = models.CharField(max_length=120, unique=True)
    host = models.CharField(max_length=60)
    resources = models.JSONField(default=list)
    """Such as `gpu0` and `cpu`."""
    pid = models.PositiveIntegerField()
    started_at = models.DateTimeField()
    heartbeat_at = models.DateTimeField()
    busy = models.TextField(blank=True)
    """What else its machine does, in one sentence; empty where it is idle."""

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return f"{self.name} (process {self.pid})"
