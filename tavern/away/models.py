"""Who looks at the pages, when last, and what of the news was read."""

from __future__ import annotations

import uuid

from django.contrib.auth.models import User
from django.db import models


class Visitor(models.Model):
    """A browser, known by its cookie; where pages want a login, an account."""

    key = models.UUIDField(default=uuid.uuid4, unique=True)
    user = models.OneToOneField(User, on_delete=models.CASCADE, null=True, related_name="visitor")
    seen_at = models.DateTimeField(help_text="When somebody looked last, by the server's clock.")
    read_seq = models.PositiveBigIntegerField(default=0, help_text="All notices up to this entry were read.")
    read_beyond = models.JSONField(default=list, help_text="Entries above it that were read one by one.")
    hidden_rows = models.JSONField(default=list, help_text="Of the report on return, for good.")

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return str(self.user or self.key)
