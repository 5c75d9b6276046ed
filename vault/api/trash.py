"""`/api/trash`: what was deleted and can come back."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from ninja import Router

from realm.management.as_json import plain
from vault.api.asking import by
from vault.treasury import trash

router = Router()


@router.get("/trash")
def listed(request: HttpRequest) -> Any:
    """Every deletion that can be undone."""
    entries = trash.list_trash(settings.WORLD)
    return {"count": len(entries), "entries": entries}


@router.post("/trash/{entry}/undo")
def undo(request: HttpRequest, entry: str) -> Any:
    """Bring back what one deletion took."""
    return {"success": True, **plain(trash.undo(settings.WORLD, entry, by=by(request)))}


@router.delete("/trash")
def empty(request: HttpRequest) -> Any:
    """Delete for good what lies in the trash."""
    return {"success": True, **plain(trash.empty(settings.WORLD, by=by(request)))}
