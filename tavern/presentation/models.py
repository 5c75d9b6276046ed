"""What players chose of how the pages look: a row an account, and one for whoever needs none."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import models


class PresentationChoice(models.Model):
    owner = models.OneToOneField(
        User, on_delete=models.CASCADE, null=True, related_name="presentation",
        help_text="Empty where the pages want no login.",
    )  # fmt: skip
    choices = models.JSONField(default=dict, help_text="Keys of tavern.presentation.choices.Presentation.")

    def __str__(self) -> str:
        return f"{self.owner or 'everybody'}: {self.choices}"
