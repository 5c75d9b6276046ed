"""`/api/history`: who did what to which asset."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Router

from vault.api.asking import Limit
from vault.models import HistoryEntry

router = Router()


@router.get("/history")
def history(request: HttpRequest, asset_id: str = "", action: str = "", limit: Limit = 100) -> Any:
    """Newest first; of one asset, or one kind of action."""
    wanted = {name: value for name, value in (("asset_id", asset_id), ("action", action)) if value}
    listed = list(HistoryEntry.objects.filter(**wanted)[: limit or None])
    return {"count": len(listed), "entries": listed}
