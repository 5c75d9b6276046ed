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
    """The level a hero works on in one skill; every lower level is won."""

    hero = models.CharField(max_length=80)
    skill = models.CharField(max_length=40)
    level = models.PositiveSmallIntegerField(default=1)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "skill progress"
        constraints = [models.UniqueConstraint(fields=["hero", "skill"], name="one_progress_a_skill")]

    def __str__(self) -> str:
        return f"{self.hero} {self.skill} level {self.level}"
