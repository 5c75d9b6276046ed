from __future__ import annotations

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html

from vault.admin.checkpoints import BRANCH, HERO, LEVEL, SKILL, OfCheckpoints
from vault.admin.columns import NOTHING
from vault.models import Ledger


@admin.register(Ledger)
class LedgerAdmin(OfCheckpoints):
    """The same rows by what they were trained on; what can be done with one stands on its checkpoint's page."""

    list_display = (
        "name", "hero", "step", "training", "validation", "rate", "epoch", "skill", "level", "quest", "parent",
        "on_branch", "age", "page",
    )  # fmt: skip
    facets = (HERO, BRANCH, SKILL, LEVEL)
    fields = (
        "name", "hero", "step", "train_loss", "val_loss", "val_set", "learning_rate", "epoch", "skill", "level",
        "quest", "battle", "parent", "on_branch", "created_at", "checkpoint", "page",
    )  # fmt: skip

    @admin.display(description="train loss", ordering="train_loss")
    def training(self, row: Ledger) -> str:
        return _loss(row.train_loss)

    @admin.display(description="val loss", ordering="val_loss")
    def validation(self, row: Ledger) -> str:
        return _loss(row.val_loss)

    @admin.display(description="rate", ordering="learning_rate")
    def rate(self, row: Ledger) -> str:
        return f"{row.learning_rate:.3g}"

    @admin.display(description="checkpoint")
    def checkpoint(self, row: Ledger) -> str:
        address = reverse("admin:vault_checkpoint_change", args=(row.pk,))
        return format_html('<a href="{}">Size, copies, files and actions</a>', address)


def _loss(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.4f}"
