"""Index of checkpoints; the sidecars on disk are the truth and `manage.py vault scan` rebuilds it."""

from __future__ import annotations

from django.db import models


class Checkpoint(models.Model):
    name = models.CharField(max_length=80)
    hero = models.CharField(max_length=80)
    step = models.PositiveBigIntegerField(db_index=True)
    created_at = models.DateTimeField()
    train_loss = models.FloatField(null=True, blank=True)
    val_loss = models.FloatField(null=True, blank=True)
    val_set = models.JSONField(null=True, blank=True)
    """What `val_loss` was measured over: its name, rows and sha256; None where the sidecar does not say."""
    learning_rate = models.FloatField()
    epoch = models.PositiveIntegerField()
    skill = models.CharField(max_length=40, blank=True)
    level = models.PositiveSmallIntegerField(null=True, blank=True)
    quest = models.CharField(max_length=255)
    battle = models.CharField(max_length=80)
    parent = models.CharField(max_length=80, blank=True)
    branch = models.CharField(max_length=20, blank=True, default="", db_default="", help_text="Empty: the first.")
    size_bytes = models.PositiveBigIntegerField()
    sidecar_sha256 = models.CharField(max_length=64, help_text="Digest of .ledger.json when it was indexed.")

    class Meta:
        ordering = ["-step", "-name"]
        constraints = [models.UniqueConstraint(fields=["hero", "name"], name="checkpoint_once_a_hero")]

    def __str__(self) -> str:
        return self.name
