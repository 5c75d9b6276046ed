"""Indexes of what lies on disk: `manage.py vault scan` rebuilds them. Jobs alone are nowhere else."""

from __future__ import annotations

from typing import Any

from django.db import models

from vault.sizes import size


class Checkpoint(models.Model):
    name = models.CharField(max_length=80)
    hero = models.CharField(max_length=80)
    step = models.PositiveBigIntegerField(db_index=True)
    created_at = models.DateTimeField()
    train_loss = models.FloatField(null=True, blank=True)
    val_loss = models.FloatField(null=True, blank=True)
    val_set = models.JSONField(null=True, blank=True)
    """What `val_loss` was measured over: its name, rows and sha256; None where the sidecar does not say."""
    val_set_sha256 = models.CharField(max_length=64, blank=True, default="", db_default="", help_text="Of val_set.")
    learning_rate = models.FloatField()
    epoch = models.PositiveIntegerField()
    skill = models.CharField(max_length=40, blank=True)
    level = models.PositiveSmallIntegerField(null=True, blank=True)
    quest = models.CharField(max_length=255)
    battle = models.CharField(max_length=80)
    parent = models.CharField(max_length=80, blank=True)
    branch = models.CharField(max_length=20, blank=True, default="", db_default="", help_text="Empty: the first.")
    adapter_base = models.CharField(  # noqa: DJ001  # nobody has read it yet is not the same as none
        max_length=80, null=True, blank=True, help_text="Full checkpoint under it; empty: none."
    )
    """None in rows of releases that did not ask: a scan reads it."""
    size_bytes = models.PositiveBigIntegerField()
    protected = models.BooleanField(default=False, db_default=False, help_text="By the player; see marks.json.")
    weights_only = models.BooleanField(
        default=False, db_default=False, help_text="Its moments made room: training goes on with a fresh optimizer."
    )
    verified_at = models.DateTimeField(null=True, blank=True, help_text="When every byte was last read and right.")
    sidecar_sha256 = models.CharField(max_length=64, help_text="Digest of .ledger.json when it was indexed.")
    stamp = models.CharField(
        max_length=32, blank=True, default="", db_default="", help_text="As vault.unread makes it; empty: read anew."
    )

    class Meta:
        ordering = ["-step", "-name"]
        constraints = [models.UniqueConstraint(fields=["hero", "name"], name="checkpoint_once_a_hero")]
        indexes = [
            models.Index(fields=["hero", "step", "name"], name="checkpoint_by_step"),
            models.Index(fields=["hero", "created_at", "step", "name"], name="checkpoint_by_time"),
            models.Index(fields=["hero", "train_loss", "step", "name"], name="checkpoint_by_loss"),
            models.Index(fields=["hero", "val_set_sha256", "val_loss", "step", "name"], name="checkpoint_by_val_loss"),
            # What was saved in a battle: its pages, its curves, and whether it may be deleted.
            models.Index(fields=["battle", "step", "name"], name="checkpoint_by_battle"),
            # What the vault's page counts and adds up of each branch.
            models.Index(fields=["hero", "branch", "step", "name", "size_bytes"], name="checkpoint_by_branch"),
            models.Index(fields=["hero", "size_bytes", "step", "name"], name="checkpoint_by_size"),
            models.Index(
                fields=["hero", "branch", "skill", "level", "protected", "weights_only", "verified_at"],
                name="checkpoint_facets",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Ledger(Checkpoint):
    """Checkpoints as the ledger tells of them: what each was trained on, how far, and from what."""

    class Meta:
        proxy = True
        verbose_name = "ledger entry"
        verbose_name_plural = "ledger"


class Asset(models.Model):
    """Something that has copies: a checkpoint, a model, training data, a configuration."""

    class Kind(models.TextChoices):
        CHECKPOINT = "checkpoint"
        MODEL = "model"
        DATA = "data"
        CONFIG = "config"

    asset_id = models.CharField(max_length=200, unique=True, help_text="Whole, as vault.assets.ids makes it.")
    kind = models.CharField(max_length=10, choices=Kind, db_index=True)
    name = models.CharField(max_length=255, help_text="Of its folder or file.")
    hero = models.CharField(max_length=80, blank=True)
    step = models.PositiveBigIntegerField(null=True, blank=True, db_index=True)
    size_bytes = models.PositiveBigIntegerField(default=0)
    manifest_sha256 = models.CharField(
        max_length=64, blank=True, help_text="Of its manifest; of a checkpoint its sidecar's."
    )
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-created_at", "asset_id"]
        indexes = [
            models.Index(fields=["kind", "hero"], name="asset_facets"),
            models.Index(fields=["created_at"], name="asset_age"),
        ]

    def __str__(self) -> str:
        return self.asset_id


class Location(models.Model):
    """One copy of an asset, whole or not."""

    class State(models.TextChoices):
        PRESENT = "present"
        MISSING = "missing"
        DAMAGED = "damaged"

    asset = models.ForeignKey(Asset, on_delete=models.CASCADE, related_name="locations")
    stronghold = models.CharField(max_length=80, db_index=True, help_text="`local` is this world.")
    path = models.CharField(max_length=1024, help_text="Below the root of its stronghold.")
    state = models.CharField(max_length=7, choices=State, default=State.PRESENT)
    size_bytes = models.PositiveBigIntegerField(default=0)
    manifest_sha256 = models.CharField(
        max_length=64,
        blank=True,
        default="",
        db_default="",
        help_text="Of its manifest as it was copied or first seen.",
    )
    seen_at = models.DateTimeField()
    verified_at = models.DateTimeField(null=True, blank=True, help_text="When every byte was last read and right.")
    reason = models.CharField(max_length=500, blank=True, help_text="What is wrong with it.")

    class Meta:
        ordering = ["asset_id", "stronghold", "path"]
        constraints = [models.UniqueConstraint(fields=["asset", "stronghold", "path"], name="location_once")]
        indexes = [models.Index(fields=["stronghold", "state", "verified_at"], name="location_facets")]

    def __str__(self) -> str:
        return f"{self.stronghold}:{self.path}"


class Zone(models.Model):
    """What a branch officer said last; which zones there are stands in hosts.yaml."""

    class State(models.TextChoices):
        ONLINE = "online"
        SILENT = "silent"
        REFUSED = "refused"
        """It speaks another protocol, or rubbish, or takes no token of ours."""

    zone_id = models.CharField(max_length=80, unique=True)
    url = models.CharField(max_length=255)
    state = models.CharField(max_length=7, choices=State, default=State.SILENT)
    message = models.CharField(max_length=500, blank=True)
    version = models.CharField(max_length=40, blank=True)
    protocol = models.CharField(max_length=20, blank=True)
    base_dir = models.CharField(max_length=1024, blank=True)
    assets = models.PositiveIntegerField(default=0)
    free_bytes = models.PositiveBigIntegerField(null=True, blank=True)
    total_bytes = models.PositiveBigIntegerField(null=True, blank=True)
    last_seen_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["zone_id"]

    def __str__(self) -> str:
        return self.zone_id


class Job(models.Model):
    """Long work of the vault: who asked waits for it, or the vault's own process does it."""

    class Kind(models.TextChoices):
        FETCH = "fetch"
        PUSH = "push"
        PULL = "pull"
        VERIFY = "verify"
        EXPORT = "export"
        SCAN = "scan"
        SNAPSHOT = "snapshot"

    class State(models.TextChoices):
        WAITING = "waiting"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"
        CANCELLED = "cancelled"

    kind = models.CharField(max_length=8, choices=Kind, db_index=True)
    state = models.CharField(max_length=9, choices=State, default=State.WAITING, db_index=True)
    asset_id = models.CharField(max_length=200, blank=True, db_index=True)
    source = models.CharField(max_length=80, blank=True, help_text="Stronghold or zone; empty: this world.")
    destination = models.CharField(max_length=1024, blank=True, help_text="Stronghold, zone or folder.")
    options = models.JSONField(default=dict, blank=True)
    by = models.CharField(max_length=80, help_text="Who asked: `command line`, `page`, `admin`, `api` and a token.")
    bytes_done = models.PositiveBigIntegerField(default=0)
    bytes_total = models.PositiveBigIntegerField(null=True, blank=True)
    message = models.CharField(max_length=500, blank=True, help_text="What it does now, or why it failed.")
    result = models.JSONField(default=dict, blank=True)
    owner = models.CharField(max_length=80, blank=True, help_text="Process that performs it.")
    tries = models.PositiveIntegerField(
        default=0, db_default=0, help_text="How often it was begun since a process last lived through it."
    )
    retry_at = models.DateTimeField(null=True, blank=True, help_text="Not before: a zone does not answer.")
    silent_seconds = models.FloatField(
        default=0.0, db_default=0.0, help_text="All pauses between its tries while a zone did not answer."
    )
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    beat_at = models.DateTimeField(null=True, blank=True, help_text="When its performer last wrote here.")
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = "transfer"

    def __str__(self) -> str:
        return f"{self.kind} {self.asset_id}".strip()


class HistoryEntry(models.Model):
    """A line of `vault/chronicle.jsonl`: who did what to which asset."""

    seq = models.PositiveBigIntegerField(unique=True)
    time = models.DateTimeField()
    action = models.CharField(max_length=20, db_index=True)
    asset_id = models.CharField(max_length=200, blank=True, db_index=True)
    by = models.CharField(max_length=80)
    details = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["-seq"]
        indexes = [models.Index(fields=["action", "by"], name="history_facets")]
        verbose_name_plural = "history entries"

    def __str__(self) -> str:
        return f"{self.action} {self.asset_id}".strip()

    @property
    def details_text(self) -> str:
        """`zone 3090, 7.98 MB`; what is empty is left out."""
        told = (
            size(value) if key == "bytes" and isinstance(value, int) else f"{key} {_text(value)}"
            for key, value in self.details.items()
            if value not in ("", None, [], {})
        )
        return ", ".join(told)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


class Token(models.Model):
    """Index of `secrets/tokens.json`, which holds the digests."""

    token_id = models.CharField(max_length=16, unique=True, help_text="Its first characters, which may be shown.")
    purpose = models.CharField(max_length=20)
    zone = models.CharField(max_length=80, blank=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.token_id
