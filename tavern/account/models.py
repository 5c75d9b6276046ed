"""Who is let in from where: sessions that can be listed and ended, and links that let a phone in once."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib.auth.models import User
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models


class LoginSession(AbstractBaseSession):
    """A session of Django's, with what its owner recognizes it by. The key is a secret: pages name the public id."""

    public_id = models.UUIDField(default=uuid.uuid4)
    """Not unique: for a moment two rows have it, while the key is changed."""
    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="login_sessions")
    device = models.CharField(max_length=80, blank=True)
    address = models.CharField(max_length=45, blank=True, help_text="From which it was used last.")
    started_at = models.DateTimeField(null=True)
    used_at = models.DateTimeField(null=True, help_text="To the minute.")

    lets_in = True
    """Left out of snapshots (vault.archivist.database)."""

    class Meta:
        ordering = ["-used_at", "pk"]

    @classmethod
    def get_session_store_class(cls) -> Any:
        from tavern.account.sessions import SessionStore

        return SessionStore


class PhoneLink(models.Model):
    """Of its secret only the digest is kept."""

    digest = models.CharField(max_length=64, unique=True)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    origin = models.CharField(max_length=300, help_text="Under which alone it is good.")
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    lets_in = True

    def __str__(self) -> str:
        return f"{self.user} at {self.origin}"
