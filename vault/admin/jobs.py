"""Long work that an action asks for: the vault's process does it, its row among the transfers shows how far."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.conf import settings
from django.db.models import Model
from django.urls import reverse
from django.utils.html import format_html

from realm.strict import BadConfig
from realm.world import World
from vault.admin.confirming import BY, Done
from vault.jobs import queue
from vault.jobs.status import is_served
from vault.models import Zone
from vault.strongholds.registry import StorageRegistry


class DestinationForm(forms.Form):
    destination = forms.CharField(max_length=80, label="Stronghold or zone")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        known = [*_strongholds(), *Zone.objects.values_list("zone_id", flat=True)]
        self.fields["destination"].help_text = f"Known: {', '.join(known)}." if known else "None is known yet."


def _strongholds() -> list[str]:
    """None where the file that names them cannot be read: the job then says why."""
    try:
        return list(StorageRegistry(settings.WORLD.home).list())
    except BadConfig:
        return []


def ask_for(kind: str, asset_id: str = "", **fields: Any) -> None:
    queue.add(kind=kind, asset_id=asset_id, by=BY, **fields)


def waiting(world: World, rows: Sequence[Any], refusals: Sequence[str]) -> Done:
    """Says of what was asked for where it can be watched, and whether anybody does it."""
    said = format_html(
        '{} {} for the vault: <a href="{}">see the transfers</a>.{}',
        len(rows),
        "job waits" if len(rows) == 1 else "jobs wait",
        reverse("admin:vault_job_changelist"),
        "" if is_served(world) else " Its process is not running: `manage.py weave` starts it.",
    )
    about = [row for row in rows if isinstance(row, Model)]
    return Done(sentence=said if rows else "", rows=about, refusals=refusals)
