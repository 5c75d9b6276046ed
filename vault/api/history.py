"""`/api/history`: who did what to which asset."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Router

from realm.management.as_json import plain
from vault.api import pages
from vault.api.pages import AnyLimit, Offset
from vault.models import HistoryEntry

router = Router()
HistoryPage = pages.page_of(pages.Entry, "entries")


@router.get("/history", response=HistoryPage)
def history(
    request: HttpRequest, asset_id: str = "", action: str = "", limit: AnyLimit = 100, offset: Offset = 0
) -> Any:
    """Newest first; of one asset, or one kind of action."""
    wanted = {name: value for name, value in (("asset_id", asset_id), ("action", action)) if value}
    return pages.cut(HistoryEntry.objects.filter(**wanted), limit=limit, offset=offset, key="entries", told=plain)
