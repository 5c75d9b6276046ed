"""`/api/trash`: what was deleted and can come back."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from ninja import Router

from realm.management.as_json import plain
from vault.api import pages
from vault.api.asking import by
from vault.api.pages import AnyLimit, Offset
from vault.treasury import trash

router = Router()
TrashPage = pages.page_of(pages.Entry, "entries")


@router.get("/trash", response=TrashPage)
def listed(request: HttpRequest, limit: AnyLimit = 0, offset: Offset = 0) -> Any:
    """Every deletion that can be undone."""
    return pages.cut(trash.list_trash(settings.WORLD), limit=limit, offset=offset, key="entries", told=plain)


@router.post("/trash/{entry}/undo", response=pages.Entry)
def undo(request: HttpRequest, entry: str) -> Any:
    """Bring back what one deletion took."""
    return {"success": True, **plain(trash.undo(settings.WORLD, entry, by=by(request)))}


@router.delete("/trash", response=pages.Entry)
def empty(request: HttpRequest) -> Any:
    """Delete for good what lies in the trash."""
    return {"success": True, **plain(trash.empty(settings.WORLD, by=by(request)))}
